"""The examples, tried. `main` is the way in; `trial` is what is done with each."""
