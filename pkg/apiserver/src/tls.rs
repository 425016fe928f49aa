//! The TLS side of the listener.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

/// Certificates and a key that make no server.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM text holds nothing of what it should hold.
    #[error("read {what}: {why}")]
    Pem {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
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
        let chain = certificates(&self.chain, "server certificate")?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|e| TlsError::Pem { what: "server key", why: e.to_string() })?;
        let mut roots = RootCertStore::empty();
        for ca in certificates(&self.client_ca, "client CA")? {
            roots.add(ca).map_err(|e| TlsError::Pem { what: "client CA", why: e.to_string() })?;
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

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match certificates {
        Ok(some) if !some.is_empty() => Ok(some),
        Ok(_) => Err(TlsError::Pem { what, why: "there is no certificate in it".to_owned() }),
        Err(e) => Err(TlsError::Pem { what, why: e.to_string() }),
    }
}
