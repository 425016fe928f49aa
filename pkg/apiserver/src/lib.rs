//! The HTTPS face: the request chain, the registry, discovery, OpenAPI, streams to nodes.
//!
//! A request passes the stages of [`chain`] in order. Callers in the same process enter at authorization through
//! [`LocalApi`]; they skip TLS, HTTP and encoding, never admission. The registry is generic over
//! `knarr_catalog::Resource`: there are no handlers per kind.

pub mod admission;
pub mod authn;
mod authorize;
pub mod authz;
mod body;
mod caller;
mod chain;
mod codec;
mod discovery;
mod documents;
mod encode;
mod health;
mod impersonate;
mod inflight;
mod info;
mod local;
mod metrics;
mod negotiate;
mod nodes;
mod openapi;
mod params;
pub mod registry;
pub mod reply;
mod resource;
mod server;
mod table;
mod tls;
mod uri;
pub mod usage;
mod watch;

pub use authorize::{Attributes, Authorizer, Decision};
pub use authz::PolicyRule;
pub use caller::{Caller, User};
pub use chain::{Face, FaceParts, NoRoutes, Peer, Routes};
pub use health::Health;
pub use server::{Server, serve};
pub use tls::{TlsError, TlsMaterial};

/// The version the server says it has.
pub const VERSION: &str = "v1.36.2+knarr1";
pub use local::LocalApi;
