//! The cluster's keys: certificate authorities, certificates, join tokens, kubeconfigs.
//!
//! Making and judging are pure functions of their inputs and a time; [`Vault`] is the thin ring that keeps the results
//! as files. Elliptic-curve keys (P-256) everywhere: ring makes no RSA keys. Certificates begin well in the past,
//! because boards without a battery clock boot there, and end by the day.

mod bootstrap;
mod ca;
mod der;
mod kubeconfig;
pub mod pem;
mod request;
mod sign;
mod token;
mod vault;

pub use bootstrap::BootstrapToken;
pub use ca::{Ca, Identity, Leaf, Usage, expiry, subject, subject_of, validity};
pub use kubeconfig::{kubeconfig, kubeconfig_of_files};
pub use request::{CertificateRequest, NewRequest};
pub use sign::Terms;
pub use token::{JoinToken, ca_hash, random_secret};
pub use vault::{Vault, VaultError, renewal};

/// What can go wrong with keys and certificates.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A key or certificate could not be made.
    #[error("make {what}")]
    Make {
        /// What.
        what: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A stored key or certificate cannot be read: replace or remove it.
    #[error("read {what}: {why}")]
    Read {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
}
