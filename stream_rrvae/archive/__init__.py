"""The recordings of a folder for who looks at them from elsewhere: found by what lies there, named by opaque ids."""
