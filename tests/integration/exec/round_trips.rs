//! How often a command waits for the network.
