//! The TLS side of the listener.

use std::sync::Arc;

use knarr_pki::{PkiError, pem};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};

/// Certificates and a key that make no server.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A text holds nothing of what it should hold.
    #[error(transparent)]
    Pem(#[from] PkiError),
    /// One of the client CAs is none.
    #[error("use client CA")]
    Ca(#[source] rustls::Error),
    /// The client CAs verify nobody.
    #[error("use client CAs")]
    Clients(#[source] rustls::server::VerifierBuilderError),
    /// Certificate and key do not fit.
    #[error("use server certificate and key")]
    Server(#[source] rustls::Error),
}

/// What the server shows and whom it believes, as PEM.
#[derive(Clone)]
pub struct TlsMaterial {
    /// The server's certificate, then its intermediates.
    pub chain: String,
    /// Its key.
    pub key: String,
    /// CAs of client certificates.
    pub client_ca: String,
}

impl TlsMaterial {
    /// A configuration for the listener. Client certificates are asked for and may be left out; HTTP/2 is preferred.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = pem::certificates(self.chain.as_bytes(), "server certificate")?;
        let key = pem::key(self.key.as_bytes(), "server key")?;
        let mut roots = RootCertStore::empty();
        for ca in pem::certificates(self.client_ca.as_bytes(), "client CA")? {
            roots.add(ca).map_err(TlsError::Ca)?;
        }
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(TlsError::Clients)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Server)?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .map_err(TlsError::Server)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
