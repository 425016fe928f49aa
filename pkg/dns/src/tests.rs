//! The pieces together: requests as bytes, sockets on loopback, the ring on a fake API.

mod names;
mod packets;
mod ring;
mod sockets;
mod tools;
