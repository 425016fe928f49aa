//! L7 TLS proxy
