//! Signing somebody else's key.
//!
//! Subject, public key and names are copied from the request byte by byte; everything else a request may ask for
//! (being an authority, more usages) is ignored. The certificate is put together here because the library that makes
//! ours keeps one organization of many and knows a key by the algorithm that signed the request.

use jiff::{Timestamp, tz::TimeZone};
use rcgen::SigningKey as _;
use ring::rand::SecureRandom as _;
use x509_parser::{extensions::ParsedExtension, pem::Pem};

use crate::{Ca, CertificateRequest, PkiError, der};

/// What a certificate may be used for and how long.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Usages in Kubernetes' words (`digital signature`, `client auth`, …).
    pub usages: Vec<String>,
    /// From when.
    pub begin: Timestamp,
    /// Until when; the authority's own end comes first.
    pub end: Timestamp,
}

/// Bits of the key usage extension.
const KEY_USAGES: [(&str, u16); 10] = [
    ("signing", 0),
    ("digital signature", 0),
    ("content commitment", 1),
    ("key encipherment", 2),
    ("data encipherment", 3),
    ("key agreement", 4),
    ("cert sign", 5),
    ("crl sign", 6),
    ("encipher only", 7),
    ("decipher only", 8),
];

/// Purposes of the extended key usage extension.
const PURPOSES: [(&str, &str); 13] = [
    ("any", "2.5.29.37.0"),
    ("server auth", "1.3.6.1.5.5.7.3.1"),
    ("client auth", "1.3.6.1.5.5.7.3.2"),
    ("code signing", "1.3.6.1.5.5.7.3.3"),
    ("email protection", "1.3.6.1.5.5.7.3.4"),
    ("s/mime", "1.3.6.1.5.5.7.3.4"),
    ("ipsec end system", "1.3.6.1.5.5.7.3.5"),
    ("ipsec tunnel", "1.3.6.1.5.5.7.3.6"),
    ("ipsec user", "1.3.6.1.5.5.7.3.7"),
    ("timestamping", "1.3.6.1.5.5.7.3.8"),
    ("ocsp signing", "1.3.6.1.5.5.7.3.9"),
    ("microsoft sgc", "1.3.6.1.4.1.311.10.3.3"),
    ("netscape sgc", "2.16.840.1.113730.4.1"),
];

impl Ca {
    /// Signs a request whose subject and names the caller has approved. PEM.
    ///
    /// # Errors
    /// An unknown usage, or an authority that cannot sign.
    pub fn sign(&self, request: &CertificateRequest, terms: &Terms) -> Result<String, PkiError> {
        let fail = |why: String| PkiError::Read { what: "authority".to_owned(), why };
        let block = Pem::iter_from_buffer(self.cert().as_bytes()).next().and_then(Result::ok);
        let block = block.ok_or_else(|| fail("there is no certificate in it".to_owned()))?;
        let ca = block.parse_x509().map_err(|e| fail(e.to_string()))?;
        let own_end = Timestamp::from_second(ca.validity().not_after.timestamp()).unwrap_or(terms.end);
        let key_id = ca.extensions().iter().find_map(|e| match e.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        let key = self.key();
        let algorithm = algorithm(key.algorithm()).ok_or_else(|| fail("a key of an unknown kind".to_owned()))?;
        let mut serial = [0u8; 16];
        ring::rand::SystemRandom::new().fill(&mut serial).map_err(|_| fail("no random numbers".to_owned()))?;
        serial[0] = serial[0] & 0x7f | 0x40; // positive, and never with a leading zero
        let extensions = extensions(request, terms, key_id)?;
        let body = der::sequence(&[
            &der::element(0xa0, &der::element(0x02, &[2])),
            &der::element(0x02, &serial),
            &algorithm,
            ca.subject().as_raw(),
            &der::sequence(&[&time(terms.begin), &time(terms.end.min(own_end))]),
            &request.subject,
            &request.public_key,
            &der::element(0xa3, &der::element(0x30, &extensions)),
        ]);
        let signature = key.sign(&body).map_err(|source| PkiError::Make { what: "signature".to_owned(), source })?;
        let certificate = der::sequence(&[&body, &algorithm, &der::bits(&signature)]);
        Ok(pem(&certificate))
    }
}

fn extensions(request: &CertificateRequest, terms: &Terms, key_id: Option<Vec<u8>>) -> Result<Vec<u8>, PkiError> {
    let (mut flags, mut purposes) = (0u16, Vec::new());
    for usage in &terms.usages {
        if let Some((_, bit)) = KEY_USAGES.iter().find(|(word, _)| word == usage) {
            flags |= 1 << bit;
        } else if let Some((_, purpose)) = PURPOSES.iter().find(|(word, _)| word == usage) {
            if !purposes.contains(purpose) {
                purposes.push(*purpose);
            }
        } else {
            return Err(PkiError::Read {
                what: "usages".to_owned(),
                why: format!("unrecognized usage value {usage:?}"),
            });
        }
    }
    let critical = der::element(0x01, &[0xff]);
    let extension = |oid: &str, critical: &[u8], content: &[u8]| {
        der::sequence(&[&der::oid(oid), critical, &der::element(0x04, content)])
    };
    let mut out = Vec::new();
    if flags != 0 {
        out.extend(extension("2.5.29.15", &critical, &der::named_bits(flags)));
    }
    if !purposes.is_empty() {
        let all: Vec<u8> = purposes.iter().flat_map(|p| der::oid(p)).collect();
        out.extend(extension("2.5.29.37", &[], &der::element(0x30, &all)));
    }
    out.extend(extension("2.5.29.19", &critical, &der::sequence(&[])));
    if let Some(id) = key_id {
        out.extend(extension("2.5.29.35", &[], &der::sequence(&[&der::element(0x80, &id)])));
    }
    if let Some(names) = &request.names {
        out.extend(extension("2.5.29.17", &[], names));
    }
    Ok(out)
}

/// `AlgorithmIdentifier` of a key's signatures.
fn algorithm(kind: &'static rcgen::SignatureAlgorithm) -> Option<Vec<u8>> {
    let of = |oid: &str, parameters: &[u8]| Some(der::sequence(&[&der::oid(oid), parameters]));
    match kind {
        k if *k == rcgen::PKCS_ECDSA_P256_SHA256 => of("1.2.840.10045.4.3.2", &[]),
        k if *k == rcgen::PKCS_ECDSA_P384_SHA384 => of("1.2.840.10045.4.3.3", &[]),
        k if *k == rcgen::PKCS_ED25519 => of("1.3.101.112", &[]),
        k if *k == rcgen::PKCS_RSA_SHA256 => of("1.2.840.113549.1.1.11", &der::element(0x05, &[])),
        _ => None,
    }
}

/// `UTCTime` until 2049, `GeneralizedTime` from then on (RFC 5280, 4.1.2.5).
fn time(at: Timestamp) -> Vec<u8> {
    let at = at.to_zoned(TimeZone::UTC);
    match at.year() {
        1950..=2049 => der::element(0x17, at.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()),
        _ => der::element(0x18, at.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes()),
    }
}

fn pem(certificate: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
    let text = BASE64.encode(certificate);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

#[cfg(test)]
mod tests {
    use rustls::{
        RootCertStore,
        pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
        server::WebPkiClientVerifier,
    };

    use super::*;
    use crate::{Leaf, NewRequest, expiry};

    fn terms(usages: &[&str]) -> Terms {
        Terms {
            usages: usages.iter().map(|u| (*u).to_owned()).collect(),
            begin: "2026-03-01T12:00:00Z".parse().unwrap(),
            end: "2026-03-01T22:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn others_accept_what_is_signed_for_its_purpose_and_time() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let (ca, _) = Ca::create("client-ca", now).unwrap();
        let made = NewRequest::make(&Leaf::client("system:node:n", &["system:nodes"])).unwrap();
        let request = CertificateRequest::parse(made.pem.as_bytes()).unwrap();
        let accepted = |usages: &[&str], at: &str| {
            let cert = ca.sign(&request, &terms(usages)).unwrap();
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(ca.cert().as_bytes()).unwrap()).unwrap();
            let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
            let seconds = at.parse::<Timestamp>().unwrap().as_second().unsigned_abs();
            let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
            let leaf = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
            verifier.verify_client_cert(&leaf, &[], at).is_ok()
        };
        let client = ["digital signature", "client auth"];
        assert!(accepted(&client, "2026-03-01T13:00:00Z"));
        assert!(!accepted(&client, "2026-03-01T23:00:00Z"), "expired");
        assert!(!accepted(&client, "2026-03-01T11:00:00Z"), "not yet");
        assert!(!accepted(&["digital signature", "server auth"], "2026-03-01T13:00:00Z"));
        assert!(ca.sign(&request, &terms(&["world domination"])).is_err());
    }

    #[test]
    fn names_and_all_organizations_are_copied() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let (ca, _) = Ca::create("ca", now).unwrap();
        let made = NewRequest::make(&Leaf::server("x", ["a.example", "10.0.0.1"])).unwrap();
        let request = CertificateRequest::parse(made.pem.as_bytes()).unwrap();
        let cert = ca.sign(&request, &terms(&["server auth"])).unwrap();
        let (end, names) = expiry(&cert).unwrap();
        assert_eq!(
            (end.to_string().as_str(), names),
            ("2026-03-01T22:00:00Z", vec!["a.example".into(), "10.0.0.1".into()])
        );
        assert!(ca.signed(&cert));
    }
}
