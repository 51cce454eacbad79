//! Tokens in links, and the key that signs them.
