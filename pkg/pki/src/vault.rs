//! Keys and certificates as files: `<data-dir>/server/tls/<name>.{crt,key}`.
//!
//! What is there is used (an administrator may place own authorities before the first start), what is missing or about
//! to end is made. Files appear whole (written beside, then renamed), keys are readable by the owner only.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};

use crate::{Ca, Identity, Leaf, PkiError, ca::expiry};

/// Leaves are renewed when less than this is left.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(120 * 24);

/// From when on a leaf that is good for a year is to be renewed.
///
/// # Errors
/// There is no certificate in the text.
pub fn renewal(pem: &str) -> Result<Timestamp, PkiError> {
    expiry(pem).map(|(end, _)| end - RENEW_BEFORE)
}

/// A directory of keys and certificates.
#[derive(Debug, Clone)]
pub struct Vault {
    dir: PathBuf,
}

/// A file operation or a key operation failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file system refused.
    #[error("{step} {}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// What is in the file is no good.
    #[error("{}", path.display())]
    Pki {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: PkiError,
    },
}

impl Vault {
    /// The vault in `dir`, which is made if missing.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, VaultError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(|source| VaultError::File { step: "create", path: dir.clone(), source })?;
        Ok(Self { dir })
    }

    /// The path of a file in it.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// The authority `name`, made if missing.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn ca(&self, name: &str, common_name: &str, now: Timestamp) -> Result<Ca, VaultError> {
        let path = self.path(&format!("{name}.crt"));
        let pki = |source| VaultError::Pki { path: path.clone(), source };
        if let Some(identity) = self.load(name)? {
            return Ca::load(&identity).map_err(pki);
        }
        let (ca, identity) = Ca::create(common_name, now).map_err(pki)?;
        self.store(name, &identity)?;
        Ok(ca)
    }

    /// The leaf `name`, made or renewed if it is missing, about to end, lacks a name, or is of another authority.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn leaf(&self, name: &str, ca: &Ca, leaf: &Leaf, now: Timestamp) -> Result<Identity, VaultError> {
        if let Some(identity) = self.load(name)?
            && let Ok((end, names)) = expiry(&identity.cert)
            && end.duration_since(now) > RENEW_BEFORE
            && leaf.names.iter().all(|n| names.contains(n))
            && ca.signed(&identity.cert)
        {
            return Ok(identity);
        }
        let path = self.path(&format!("{name}.crt"));
        let identity = ca.issue(leaf, now).map_err(|source| VaultError::Pki { path, source })?;
        self.store(name, &identity)?;
        Ok(identity)
    }

    /// The content of `file`, made by `make` if missing; readable by the owner only.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn secret(&self, file: &str, make: impl FnOnce() -> Result<String, PkiError>) -> Result<String, VaultError> {
        let path = self.path(file);
        if let Some(text) = read(&path)? {
            return Ok(text);
        }
        let text = make().map_err(|source| VaultError::Pki { path: path.clone(), source })?;
        write(&path, &text, 0o600)?;
        Ok(text)
    }

    /// The identity `name`, if it is there.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn load(&self, name: &str) -> Result<Option<Identity>, VaultError> {
        let cert = read(&self.path(&format!("{name}.crt")))?;
        let key = read(&self.path(&format!("{name}.key")))?;
        Ok(cert.zip(key).map(|(cert, key)| Identity { cert, key }))
    }

    /// Keeps an identity that somebody else signed: the key first, so that a certificate never stands beside another's
    /// key for longer than a crash takes.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn store(&self, name: &str, identity: &Identity) -> Result<(), VaultError> {
        write(&self.path(&format!("{name}.key")), &identity.key, 0o600)?;
        write(&self.path(&format!("{name}.crt")), &identity.cert, 0o644)
    }
}

fn read(path: &Path) -> Result<Option<String>, VaultError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(VaultError::File { step: "read", path: path.to_owned(), source }),
    }
}

/// Writes a file so that readers see the old or the new content, never a part.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), VaultError> {
    let fail = |step| move |source| VaultError::File { step, path: path.to_owned(), source };
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)
        .map_err(fail("create beside"))?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(fail("write"))?;
    file.sync_all().map_err(fail("sync"))?;
    fs::rename(&beside, path).map_err(fail("rename to"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> Vault {
        let dir = std::env::temp_dir().join(format!("knarr-vault-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Vault::open(dir).unwrap()
    }

    #[test]
    fn keeps_what_is_good_and_renews_what_is_not() {
        let vault = scratch("leaf");
        let day0: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let later: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let ca = vault.ca("server-ca", "knarr-server-ca", day0).unwrap();
        let (other, _) = Ca::create("knarr-server-ca", day0).unwrap();
        assert_eq!(vault.ca("server-ca", "other", later).unwrap().cert(), ca.cert());
        let a = vault.leaf("api", &ca, &Leaf::server("api", ["a"]), day0).unwrap();
        let (year, second) = (SignedDuration::from_hours(365 * 24), SignedDuration::from_secs(1));
        assert_eq!(renewal(&a.cert).unwrap(), day0 + year - RENEW_BEFORE);
        assert_eq!(
            vault.leaf("api", &ca, &Leaf::server("api", ["a"]), day0 + year - RENEW_BEFORE - second).unwrap(),
            a
        );
        assert_eq!(vault.leaf("api", &ca, &Leaf::server("api", ["a"]), day0).unwrap(), a);
        assert!(!other.signed(&a.cert) && ca.signed(&a.cert));
        let b = vault.leaf("api", &ca, &Leaf::server("api", ["a", "b"]), day0).unwrap();
        assert_ne!(a, b);
        assert_ne!(vault.leaf("api", &ca, &Leaf::server("api", ["a", "b"]), later).unwrap(), b);
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(vault.path("api.key")).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(&vault.dir).unwrap();
    }

    #[test]
    fn a_spoilt_authority_is_an_error_not_a_new_one() {
        let vault = scratch("bad");
        fs::write(vault.path("ca.crt"), "junk").unwrap();
        fs::write(vault.path("ca.key"), "junk").unwrap();
        assert!(vault.ca("ca", "x", Timestamp::UNIX_EPOCH).is_err());
        fs::remove_dir_all(&vault.dir).unwrap();
    }
}
