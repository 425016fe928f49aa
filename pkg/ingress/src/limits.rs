//! How much and how long.

use std::time::Duration;

/// The bounds of the data path. [`Default`] is for production; tests make them small.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Client connections at once, per listener; more wait in the kernel's queue.
    pub connections: usize,
    /// Connections to pods, and upgraded connections, at once; a request beyond is answered 503.
    pub backends: usize,
    /// For a TLS handshake, and for the head of a request (also the longest idle time between two).
    pub head: Duration,
    /// The longest silence within a request body, and the longest time a client takes nothing of what is sent to it.
    pub body: Duration,
    /// For connecting to a pod.
    pub connect: Duration,
    /// For the head of a pod's answer, from the last byte sent to it.
    pub answer: Duration,
    /// How long a connection to a pod is kept unused.
    pub idle: Duration,
    /// Unused connections kept per pod.
    pub idle_per_endpoint: usize,
    /// For what runs when the ingress is told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            backends: 10_000,
            head: Duration::from_secs(60),
            body: Duration::from_secs(60),
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            idle_per_endpoint: 32,
            grace: Duration::from_secs(20),
        }
    }
}
