//! The L7 ingress: Ingress objects → a TLS proxy in front of pods.
//!
//! It has two halves. [`Ingress`] runs on every node: informers give a [`View`], [`build`] makes a [`Table`] of it
//! (pure), [`route`] decides each request (pure), and a thin ring of hyper and rustls serves. It balances straight to
//! pod addresses, so that an endpoint which begins to terminate is out of use within milliseconds. [`Office`] runs
//! once, beside the controllers: the IngressClass, the status of Ingresses, Events, and certificates of the local CA.
//! Both see the same objects and build the same table.
//!
//! An endpoint change never fails a request: what runs on an old endpoint finishes there, what cannot be sent goes to
//! another one.

mod balance;
mod body;
mod caches;
mod front;
mod hands;
mod headers;
mod ingress;
pub mod issue;
mod limits;
mod live;
pub mod objects;
mod office;
mod patient;
mod pool;
mod route;
mod server;
mod table;
mod tls;

pub use ingress::{Config, Ingress, IngressError, Listen};
pub use issue::Signer;
pub use limits::Limits;
pub use office::Office;
pub use route::{Asked, Decision, host_of, route};
pub use table::{Backend, Problem, Table, View, build};
pub use tls::{Certificate, Certificates};

/// The name of our IngressClass.
pub const CLASS: &str = "knarr";
