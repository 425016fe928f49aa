//! Certificate authorities and what they sign.

use std::net::IpAddr;

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

use crate::PkiError;

/// A certificate (with its chain) and its key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Certificate first, then what leads to the root.
    pub cert: String,
    /// PKCS#8 key.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity") // the key stays out of logs
    }
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Shown by a server.
    Server,
    /// Shown by a client.
    Client,
}

/// A certificate to be signed.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Common name: for clients the user name.
    pub name: String,
    /// Organizations: for clients the groups.
    pub groups: Vec<String>,
    /// DNS names and addresses of a server.
    pub names: Vec<String>,
    /// What it is for.
    pub usage: Usage,
    /// Life in days.
    pub days: i32,
}

impl Leaf {
    /// A client certificate of a year.
    pub fn client(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|g| (*g).to_owned()).collect();
        Self { name: name.to_owned(), groups, names: Vec::new(), usage: Usage::Client, days: 365 }
    }

    /// A server certificate of a year.
    pub fn server(name: &str, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self { name: name.to_owned(), groups: Vec::new(), names, usage: Usage::Server, days: 365 }
    }
}

/// An authority.
pub struct Ca {
    cert: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// A new self-signed authority of ten years.
    ///
    /// # Errors
    /// The system's random source failed.
    pub fn create(name: &str, now: Timestamp) -> Result<(Self, Identity), PkiError> {
        let fail = |source| PkiError::Make { what: format!("authority {name}"), source };
        let key = KeyPair::generate().map_err(fail)?;
        let mut params = params(now, 3650);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let cert = params.self_signed(&key).map_err(fail)?.pem();
        let identity = Identity { cert, key: key.serialize_pem() };
        Ok((Self::load(&identity)?, identity))
    }

    /// An authority from its PEM files; the first certificate is the one that signs.
    ///
    /// # Errors
    /// The files are not a CA certificate and its key.
    pub fn load(identity: &Identity) -> Result<Self, PkiError> {
        let fail = |source: rcgen::Error| PkiError::Read { what: "authority".to_owned(), why: source.to_string() };
        let key = KeyPair::from_pem(&identity.key).map_err(fail)?;
        let issuer = Issuer::from_ca_cert_pem(&identity.cert, key).map_err(fail)?;
        Ok(Self { cert: identity.cert.clone(), issuer })
    }

    /// The authority's certificate, PEM.
    pub fn cert(&self) -> &str {
        &self.cert
    }

    /// Whether the first certificate of a PEM file was signed by this authority.
    pub fn signed(&self, pem: &str) -> bool {
        use x509_parser::prelude::parse_x509_pem;
        let blocks = (parse_x509_pem(pem.as_bytes()), parse_x509_pem(self.cert.as_bytes()));
        let (Ok((_, leaf)), Ok((_, ca))) = blocks else { return false };
        match (leaf.parse_x509(), ca.parse_x509()) {
            (Ok(leaf), Ok(ca)) => leaf.verify_signature(Some(ca.public_key())).is_ok(),
            _ => false,
        }
    }

    /// Makes a key and signs a certificate for it.
    ///
    /// # Errors
    /// A name is neither a DNS name nor an address, or the random source failed.
    pub fn issue(&self, leaf: &Leaf, now: Timestamp) -> Result<Identity, PkiError> {
        let fail = |source| PkiError::Make { what: format!("certificate {}", leaf.name), source };
        let key = KeyPair::generate().map_err(fail)?;
        let mut params = params(now, leaf.days);
        params.distinguished_name.push(DnType::CommonName, leaf.name.as_str());
        for group in &leaf.groups {
            params.distinguished_name.push(DnType::OrganizationName, group.as_str());
        }
        params.subject_alt_names = leaf.names.iter().map(|n| san(n)).collect::<Result<_, _>>().map_err(fail)?;
        finish(&mut params, leaf.usage);
        let cert = params.signed_by(&key, &self.issuer).map_err(fail)?.pem();
        Ok(Identity { cert, key: key.serialize_pem() })
    }

    pub(crate) fn key(&self) -> &KeyPair {
        self.issuer.key()
    }
}

/// No clock is right that shows less: this was written then. A board without a battery may start years behind; what it
/// signs before its clock is put right must not have ended when it is.
const WRITTEN: Timestamp = Timestamp::constant(1_767_225_600, 0); // 2026-01-01

fn params(now: Timestamp, days: i32) -> CertificateParams {
    let day = |from: Timestamp, offset: i32| {
        let date = from.to_zoned(TimeZone::UTC).date().saturating_add(offset.days());
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = day(now, -2);
    params.not_after = day(now.max(WRITTEN), days);
    params
}

fn finish(params: &mut CertificateParams, usage: Usage) {
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![match usage {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
}

pub(crate) fn san(name: &str) -> Result<SanType, rcgen::Error> {
    match name.parse::<IpAddr>() {
        Ok(ip) => Ok(SanType::IpAddress(ip)),
        Err(_) => Ok(SanType::DnsName(name.try_into()?)),
    }
}

/// When the first certificate of a PEM file ends, and the names it is for.
///
/// # Errors
/// There is no certificate in it.
pub fn expiry(pem: &str) -> Result<(Timestamp, Vec<String>), PkiError> {
    use x509_parser::prelude::{GeneralName, parse_x509_pem};
    let fail = |why: String| PkiError::Read { what: "certificate".to_owned(), why };
    let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|e| fail(e.to_string()))?;
    let cert = block.parse_x509().map_err(|e| fail(e.to_string()))?;
    let end = Timestamp::from_second(cert.validity().not_after.timestamp()).map_err(|e| fail(e.to_string()))?;
    let mut names = Vec::new();
    if let Ok(Some(sans)) = cert.subject_alternative_name() {
        for name in &sans.value.general_names {
            match name {
                GeneralName::DNSName(dns) => names.push((*dns).to_owned()),
                GeneralName::IPAddress(raw) => names.extend(address(raw).map(|ip| ip.to_string())),
                _ => {}
            }
        }
    }
    Ok((end, names))
}

/// Who a certificate (DER) says it is of: common name and organizations. None without a common name.
pub fn subject(der: &[u8]) -> Option<(String, Vec<String>)> {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?;
    let groups = subject.iter_organization().filter_map(|o| o.as_str().ok()).map(str::to_owned).collect();
    (!name.is_empty()).then(|| (name.to_owned(), groups))
}

/// The same of the first certificate of a PEM file.
pub fn subject_of(pem: &str) -> Option<(String, Vec<String>)> {
    let (_, block) = x509_parser::prelude::parse_x509_pem(pem.as_bytes()).ok()?;
    subject(&block.contents)
}

/// From when until when the first certificate of a PEM file is good.
///
/// # Errors
/// There is no certificate in it.
pub fn validity(pem: &str) -> Result<(Timestamp, Timestamp), PkiError> {
    let fail = |why: String| PkiError::Read { what: "certificate".to_owned(), why };
    let (_, block) = x509_parser::prelude::parse_x509_pem(pem.as_bytes()).map_err(|e| fail(e.to_string()))?;
    let cert = block.parse_x509().map_err(|e| fail(e.to_string()))?;
    let at = |seconds| Timestamp::from_second(seconds).map_err(|e| fail(e.to_string()));
    Ok((at(cert.validity().not_before.timestamp())?, at(cert.validity().not_after.timestamp())?))
}

pub(crate) fn address(raw: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(raw) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(raw).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn an_issued_certificate_tells_its_names_and_end() {
        let (ca, _) = Ca::create("test-ca", now()).unwrap();
        let id = ca.issue(&Leaf::server("api", ["localhost", "127.0.0.1", "fd00::1"]), now()).unwrap();
        let (end, names) = expiry(&id.cert).unwrap();
        assert_eq!(end.to_string(), "2027-03-01T00:00:00Z");
        assert_eq!(names, ["localhost", "127.0.0.1", "fd00::1"]);
    }

    #[test]
    fn what_is_made_before_the_clock_is_right_is_good_when_it_is() {
        let boot: Timestamp = "1970-01-01T00:00:30Z".parse().unwrap();
        let (ca, _) = Ca::create("test-ca", boot).unwrap();
        let id = ca.issue(&Leaf::server("api", ["localhost"]), boot).unwrap();
        let (begin, end) = validity(ca.cert()).unwrap();
        assert!(begin < boot && end.to_string() == "2035-12-30T00:00:00Z", "{begin} {end}");
        assert_eq!(validity(&id.cert).unwrap().1.to_string(), "2027-01-01T00:00:00Z");
    }

    #[test]
    fn rustls_accepts_what_we_sign_and_nothing_else() {
        use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let (ca, _) = Ca::create("a", now()).unwrap();
        let (other, _) = Ca::create("b", now()).unwrap();
        let leaf = ca.issue(&Leaf::server("api", ["api.local"]), now()).unwrap();
        let leaf = CertificateDer::from_pem_slice(leaf.cert.as_bytes()).unwrap();
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now().as_second().unsigned_abs()));
        let verdict = |ca: &Ca, name: &'static str| {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(ca.cert().as_bytes()).unwrap()).unwrap();
            let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
                .build()
                .unwrap();
            use rustls::client::danger::ServerCertVerifier as _;
            verifier.verify_server_cert(&leaf, &[], &ServerName::try_from(name).unwrap(), &[], at).is_ok()
        };
        assert!(verdict(&ca, "api.local"));
        assert!(!verdict(&ca, "other.local"));
        assert!(!verdict(&other, "api.local"));
    }
}
