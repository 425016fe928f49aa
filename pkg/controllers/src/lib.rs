//! One module per controller
