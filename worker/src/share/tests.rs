//! Paths that stay on the share and paths that do not, and files that appear whole.
