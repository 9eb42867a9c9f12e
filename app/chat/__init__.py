"""Use-cases: what a person does with Parley, in terms of the store and the engines."""
