//! PEM (RFC 7468) to what TLS takes.

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::PkiError;

/// The certificates of a text, in its order; at least one. `what` names the text in errors.
///
/// # Errors
/// [`PkiError::Read`]: a block is broken, or none is a certificate.
pub fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(some) if !some.is_empty() => Ok(some),
        Ok(_) => Err(unreadable(what, "there is no certificate in it")),
        Err(e) => Err(unreadable(what, e)),
    }
}

/// The first private key of a text: PKCS#8, PKCS#1 or SEC1.
///
/// # Errors
/// [`PkiError::Read`]: there is none.
pub fn key(pem: &[u8], what: &str) -> Result<PrivateKeyDer<'static>, PkiError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|e| unreadable(what, e))
}

fn unreadable(what: &str, why: impl ToString) -> PkiError {
    PkiError::Read { what: what.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ca, Leaf};

    #[test]
    fn texts_hold_what_was_written_into_them_or_say_what_they_lack() {
        let now = jiff::Timestamp::now();
        let ca = Ca::create("ca", now).unwrap().0;
        let identity = ca.issue(&Leaf::client("c", &[]), now).unwrap();
        let both = format!("{}{}", identity.cert, ca.cert());
        assert_eq!(certificates(both.as_bytes(), "the chain").unwrap().len(), 2);
        key(identity.key.as_bytes(), "the key").unwrap();
        let said = |e: PkiError| e.to_string();
        assert_eq!(
            certificates(identity.key.as_bytes(), "the chain").map_err(said),
            Err("read the chain: there is no certificate in it".to_owned())
        );
        assert!(certificates(&both.as_bytes()[..both.len() - 40], "the chain").is_err());
        assert!(key(b"", "the key").map_err(said).is_err_and(|e| e.starts_with("read the key: ")));
    }
}
