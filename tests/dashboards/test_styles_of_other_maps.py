"""Maps that pages know nothing of: those of named detectors, and other people's."""

from dashboards.pictures.map_styles import choosable, style_of


def test_components_of_a_vector_have_a_sign_and_counts_have_none() -> None:
    assert style_of("dpc_x").signed and style_of("dpc_y").palette == "coolwarm"
    assert not style_of("dpc_1").signed and style_of("abf").title == "ABF"
    assert style_of("com_x").title == "COM x"


def test_names_are_written_as_people_write_them() -> None:
    given = ("dpc_x", "haadf_inner", "inner_ring", "q_1", "_", "<b>__Bold</b>")
    assert [style_of(name).title for name in given] == ["DPC x", "HAADF inner", "Inner ring", "Q 1", "", "<b> Bold</b>"]


def test_they_can_be_chosen() -> None:
    assert choosable(["abf", "com_magnitude", "dpc_x", "latent_1", "sum"]) == ["latent_1", "sum", "abf", "dpc_x"]
