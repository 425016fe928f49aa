//! Client certificates: the common name is the user, the organisations are the groups.

use sha2::{Digest as _, Sha256};

use crate::User;

/// The user of a certificate the TLS layer has verified. None if it has no common name.
pub fn user_of(der: &[u8]) -> Option<User> {
    let (name, mut groups) = knarr_pki::subject(der)?;
    groups.push("system:authenticated".to_owned());
    let fingerprint: String = Sha256::digest(der).iter().map(|b| format!("{b:02x}")).collect();
    let credential =
        ("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("X509SHA256={fingerprint}")]);
    Some(User { name, groups, extra: [credential].into(), uid: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_groups() {
        let certificate = |names: &[(rcgen::DnType, &str)]| {
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            names.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), *value));
            params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
        };
        let der = certificate(&[
            (rcgen::DnType::CommonName, "system:node:n1"),
            (rcgen::DnType::OrganizationName, "system:nodes"),
        ]);
        let user = user_of(&der).unwrap();
        assert_eq!(
            (user.name.as_str(), user.groups),
            ("system:node:n1", vec!["system:nodes".into(), "system:authenticated".into()])
        );
        assert_eq!(user_of(&certificate(&[(rcgen::DnType::OrganizationName, "x")])), None);
        assert_eq!(user_of(b"nonsense"), None);
    }
}
