"""Programs of a few lines that read a recording's frames without this package, each printing their sum."""

PLAIN_H5PY = """
import sys, h5py, hdf5plugin
with h5py.File(sys.argv[1]) as file:
    print(int(file["entry/data/data"][()].sum()))
"""
LIBERTEM = """
import sys, hdf5plugin
from libertem.api import Context
from libertem.udf.sum import SumUDF
with Context.make_with("inline") as context:
    frames = context.load("hdf5", path=sys.argv[1], ds_path="/entry/data/data")
    print(int(round(float(context.run_udf(dataset=frames, udf=SumUDF())["intensity"].data.sum()))))
"""
H5DUMP = "h5dump"  # HDF5's own tool, of whatever version is installed
