//! Nodes of ours and of the stock package together.
