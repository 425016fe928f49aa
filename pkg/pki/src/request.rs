//! Certificate requests (PKCS #10): making them, and reading what others made.

use std::net::IpAddr;

use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};
use sha2::{Digest as _, Sha256};
use x509_parser::{
    certification_request::X509CertificationRequest,
    cri_attributes::ParsedCriAttribute,
    extensions::{GeneralName, ParsedExtension},
    pem::Pem,
    prelude::FromDer as _,
};

use crate::{
    Leaf, PkiError,
    ca::{address, san},
};

/// A request one made oneself, and the key it is for.
#[derive(Clone)]
pub struct NewRequest {
    /// The request, PEM.
    pub pem: String,
    /// The key, PKCS #8 PEM.
    pub key: String,
    /// See [`CertificateRequest::key_hash`].
    pub key_hash: String,
}

impl NewRequest {
    /// Makes a key and a request for the subject and names of `leaf`.
    ///
    /// # Errors
    /// A name is neither a DNS name nor an address, or the random source failed.
    pub fn make(leaf: &Leaf) -> Result<Self, PkiError> {
        let fail = |source| PkiError::Make { what: format!("request for {}", leaf.name), source };
        let key = KeyPair::generate().map_err(fail)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for group in &leaf.groups {
            params.distinguished_name.push(DnType::OrganizationName, group.as_str());
        }
        params.distinguished_name.push(DnType::CommonName, leaf.name.as_str());
        params.subject_alt_names = leaf.names.iter().map(|n| san(n)).collect::<Result<_, _>>().map_err(fail)?;
        let pem = params.serialize_request(&key).and_then(|r| r.pem()).map_err(fail)?;
        Ok(Self { pem, key: key.serialize_pem(), key_hash: hash(&key.subject_public_key_info()) })
    }
}

/// What a request asks for. Its signature was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateRequest {
    /// Common name.
    pub name: String,
    /// Organizations.
    pub groups: Vec<String>,
    /// DNS names.
    pub dns: Vec<String>,
    /// Addresses.
    pub ips: Vec<IpAddr>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// URIs.
    pub uris: Vec<String>,
    /// SHA-256 of the public key (SubjectPublicKeyInfo) in hex: says whose request it is.
    pub key_hash: String,
    /// Subject, as it is to stand in the certificate.
    pub(crate) subject: Vec<u8>,
    /// Public key, likewise.
    pub(crate) public_key: Vec<u8>,
    /// Content of the extension with the names, if there is one.
    pub(crate) names: Option<Vec<u8>>,
}

impl CertificateRequest {
    /// Reads a request in PEM.
    ///
    /// # Errors
    /// It is no request, or its signature is wrong.
    pub fn parse(pem: &[u8]) -> Result<Self, PkiError> {
        let fail = |why: String| PkiError::Read { what: "certificate request".to_owned(), why };
        let block = Pem::iter_from_buffer(pem).next().and_then(Result::ok);
        let block = block.filter(|b| matches!(b.label.as_str(), "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST"));
        let block = block.ok_or_else(|| fail("PEM block type must be CERTIFICATE REQUEST".to_owned()))?;
        let (_, request) = X509CertificationRequest::from_der(&block.contents).map_err(|e| fail(e.to_string()))?;
        request.verify_signature().map_err(|e| fail(format!("its signature: {e}")))?;
        let info = &request.certification_request_info;
        let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| value.as_str().ok().map(str::to_owned);
        let mut out = Self {
            name: info.subject.iter_common_name().last().and_then(text).unwrap_or_default(),
            groups: info.subject.iter_organization().filter_map(text).collect(),
            key_hash: hash(info.subject_pki.raw),
            subject: info.subject.as_raw().to_vec(),
            public_key: info.subject_pki.raw.to_vec(),
            ..Self::default()
        };
        let asked = info.attributes().iter().filter_map(|a| match a.parsed_attribute() {
            ParsedCriAttribute::ExtensionRequest(asked) => Some(&asked.extensions),
            _ => None,
        });
        for extension in asked.flatten() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
                out.names = Some(extension.value.to_vec());
                names.general_names.iter().for_each(|name| out.take(name));
            }
        }
        Ok(out)
    }

    fn take(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(dns) => self.dns.push((*dns).to_owned()),
            GeneralName::IPAddress(raw) => self.ips.extend(address(raw)),
            GeneralName::RFC822Name(mail) => self.emails.push((*mail).to_owned()),
            GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
            // Names of kinds nobody can judge: what was judged is then not what would be signed.
            _ => self.uris.push("a name of an unknown kind".to_owned()),
        }
    }
}

fn hash(public_key: &[u8]) -> String {
    Sha256::digest(public_key).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_made() {
        let leaf = Leaf { groups: vec!["system:nodes".into()], ..Leaf::server("system:node:a", ["a", "10.0.0.1"]) };
        let made = NewRequest::make(&leaf).unwrap();
        let read = CertificateRequest::parse(made.pem.as_bytes()).unwrap();
        assert_eq!((read.name.as_str(), &read.groups), ("system:node:a", &leaf.groups));
        assert_eq!((&read.dns, &read.ips), (&vec!["a".to_owned()], &vec![IpAddr::from([10, 0, 0, 1])]));
        assert_eq!(read.key_hash, made.key_hash);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let made = NewRequest::make(&Leaf::client("a", &[])).unwrap().pem;
        let line = made.lines().nth(1).unwrap();
        let spoilt = made.replacen(line, &line.chars().rev().collect::<String>(), 1);
        for bad in ["", "nonsense", &made.replace("REQUEST", "X"), &spoilt] {
            assert!(CertificateRequest::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
