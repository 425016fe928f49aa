//! Who is asking: client certificates, ServiceAccount tokens, bootstrap tokens, and a table of static tokens.
//!
//! A request without credentials is anonymous, and anonymous requests are answered only where nothing can be learned
//! ([`is_public`]); a request with credentials nobody recognises is a 401, wherever it goes. There is no basic auth.

mod accounts;
mod bootstrap;
mod jwt;
pub mod oidc;
mod table;
mod x509;

use std::sync::Arc;

use http::HeaderMap;
use knarr_api::Status;
use knarr_pki::BootstrapToken;

pub use accounts::ServiceAccounts;
pub use jwt::{KeyError, SigningKey, VerifyingKey};
pub use table::TokenTable;
pub use x509::user_of;

use crate::{
    User,
    registry::{Review, TokenReviewer},
};

/// All ways to be somebody.
pub struct Authenticator {
    table: Arc<TokenTable>,
    accounts: Arc<ServiceAccounts>,
}

impl Authenticator {
    /// Recognises the tokens of `table`, of ServiceAccounts, and bootstrap tokens.
    pub fn new(table: Arc<TokenTable>, accounts: Arc<ServiceAccounts>) -> Arc<Self> {
        Arc::new(Self { table, accounts })
    }

    /// The ServiceAccount tokens.
    pub fn accounts(&self) -> &Arc<ServiceAccounts> {
        &self.accounts
    }

    /// Who sent this. `certificate` is the user of the connection's client certificate.
    ///
    /// # Errors
    /// 401.
    pub async fn authenticate(
        &self,
        certificate: Option<&Arc<User>>,
        headers: &HeaderMap,
        path: &str,
    ) -> Result<Arc<User>, Status> {
        if let Some(user) = certificate {
            return Ok(user.clone());
        }
        match bearer(headers) {
            Some(token) => match self.token(token, &[]).await {
                Ok((user, _)) => Ok(user),
                Err(why) => {
                    tracing::debug!(reason = %why, "token refused");
                    Err(Status::unauthorized())
                }
            },
            None if is_public(path) && !headers.contains_key(http::header::AUTHORIZATION) => {
                Ok(Arc::new(User::new("system:anonymous", &["system:unauthenticated"])))
            }
            None => Err(Status::unauthorized()),
        }
    }

    /// The user of a token, and the audiences out of those asked for (none: the API server's) it is good for.
    async fn token(&self, token: &str, audiences: &[String]) -> Result<(Arc<User>, Vec<String>), String> {
        if let Some(user) = self.table.get(token) {
            return self.own(user, audiences);
        }
        if let Some(token) = BootstrapToken::parse(token) {
            let (api, now) = self.accounts.live().ok_or("the server is starting")?;
            return self.own(Arc::new(bootstrap::user(&**api, &token, now).await?), audiences);
        }
        self.accounts.authenticate(token, audiences).await
    }

    /// Static and bootstrap tokens are the API server's own: good for it alone.
    fn own(&self, user: Arc<User>, audiences: &[String]) -> Result<(Arc<User>, Vec<String>), String> {
        let own = self.accounts.audiences();
        let good: Vec<String> = audiences.iter().filter(|a| own.contains(a)).cloned().collect();
        match audiences.is_empty() || !good.is_empty() {
            true => Ok((user, good)),
            false => Err("the token is not for the audiences asked for".to_owned()),
        }
    }
}

#[async_trait::async_trait]
impl TokenReviewer for Authenticator {
    async fn review(&self, token: &str, audiences: &[String]) -> Review {
        match self.token(token, audiences).await {
            Ok((user, audiences)) => Review::Authenticated((*user).clone(), audiences),
            Err(why) => Review::Refused(why),
        }
    }
}

/// Paths that anybody may ask for: health, version, and the CA a joining node checks against its token.
pub(crate) fn is_public(path: &str) -> bool {
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ["/livez", "/readyz", "/healthz"].into_iter().any(below)
        || matches!(path, "/version" | "/version/" | "/cacerts" | "/ping")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_paths() {
        for (path, public) in [
            ("/livez", true),
            ("/readyz/etcd", true),
            ("/version", true),
            ("/ping", true),
            ("/livezz", false),
            ("/api", false),
            ("/metrics", false),
            ("/openapi/v3", false),
        ] {
            assert_eq!(is_public(path), public, "{path}");
        }
    }

    #[test]
    fn bearer_tokens_of_headers() {
        for (value, token) in
            [("Bearer a.b", Some("a.b")), ("bearer  x ", Some("x")), ("Basic x", None), ("Bearer", None)]
        {
            let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value.parse().unwrap())]);
            assert_eq!(bearer(&headers), token, "{value}");
        }
    }
}
