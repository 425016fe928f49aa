//! What the registry asks of whoever holds the ServiceAccount signing key.

use async_trait::async_trait;
use jiff::Timestamp;
use knarr_api::Status;

use crate::User;

/// A token to be signed: a ServiceAccount that exists, a bound object that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// Namespace of the ServiceAccount.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Wanted audiences; empty for the API server's own.
    pub audiences: Vec<String>,
    /// Wanted life time in seconds, at least 600.
    pub expiration_seconds: i64,
    /// `Pod`, `Secret` or `Node` the token dies with, with its name and UID.
    pub bound: Option<(String, String, String)>,
    /// For a token bound to a pod: the node it runs on, name and UID.
    pub node: Option<(String, String)>,
}

/// A signed token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenGrant {
    /// The JWT.
    pub token: String,
    /// When it ends.
    pub expires: Timestamp,
    /// Audiences it is good for.
    pub audiences: Vec<String>,
}

/// Signs ServiceAccount tokens.
pub trait TokenIssuer: Send + Sync + 'static {
    /// Signs one.
    ///
    /// # Errors
    /// Whatever the client should be told.
    fn issue(&self, request: &TokenRequest, now: Timestamp) -> Result<TokenGrant, Status>;
}

/// The outcome of a TokenReview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Review {
    /// The token is good: whose it is, and for which of the audiences asked for.
    Authenticated(User, Vec<String>),
    /// It is not; why, where there is something to tell.
    Refused(String),
}

/// Looks into tokens.
#[async_trait]
pub trait TokenReviewer: Send + Sync + 'static {
    /// Whose token is this, for one of `audiences` (empty: the API server's own)?
    async fn review(&self, token: &str, audiences: &[String]) -> Review;
}

/// Signs nothing, knows nobody: for servers without a signing key, and for tests.
pub struct NoTokens;

impl TokenIssuer for NoTokens {
    fn issue(&self, _request: &TokenRequest, _now: Timestamp) -> Result<TokenGrant, Status> {
        Err(Status::internal("this server has no signing key"))
    }
}

#[async_trait]
impl TokenReviewer for NoTokens {
    async fn review(&self, _token: &str, _audiences: &[String]) -> Review {
        Review::Refused("this server has no signing key".to_owned())
    }
}
