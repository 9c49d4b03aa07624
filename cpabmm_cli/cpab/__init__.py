"""The steps of `fit-cpab`: its files, the fit, and the application of fitted transformations."""
