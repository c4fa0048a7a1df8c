"""What talks to scikit-learn: checks of inputs, backends, callbacks, mixins."""
