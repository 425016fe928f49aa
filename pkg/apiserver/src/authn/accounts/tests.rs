use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use knarr_client::{EventStream, Reply, Request};

use super::*;

/// A cluster of objects that never change.
struct Objects(Vec<(&'static str, &'static str)>);

#[async_trait]
impl Api for Objects {
    async fn call(&self, request: Request) -> Result<Reply, Status> {
        let found = self.0.iter().find(|(key, _)| *key == format!("{}/{}", request.resource.plural, request.name));
        let (_, json) = found.ok_or_else(|| Status::not_found("", &request.resource.plural, &request.name))?;
        Ok(Reply::Object(Object::from_json(Bytes::from_static(json.as_bytes())).unwrap()))
    }

    async fn watch(&self, _: Request) -> Result<EventStream, Status> {
        unreachable!("tokens are not watched")
    }
}

const SA: (&str, &str) = ("serviceaccounts/sa", r#"{"metadata":{"name":"sa","namespace":"a","uid":"u1"}}"#);
const POD: (&str, &str) = ("pods/p", r#"{"metadata":{"name":"p","namespace":"a","uid":"u2"}}"#);
const DYING: (&str, &str) =
    ("pods/p", r#"{"metadata":{"name":"p","namespace":"a","uid":"u2","deletionTimestamp":"1970-01-01T00:00:10Z"}}"#);

fn accounts(objects: Vec<(&'static str, &'static str)>, now: &Arc<AtomicI64>) -> Arc<ServiceAccounts> {
    let key = SigningKey::from_pem(&rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let now = now.clone();
    let clock: Clock = Arc::new(move || Timestamp::from_second(now.load(Ordering::Relaxed)).unwrap());
    let accounts = ServiceAccounts::new("https://issuer", vec!["api".to_owned()], key, Vec::new(), clock);
    accounts.bind(Arc::new(Objects(objects)));
    accounts
}

fn request() -> TokenRequest {
    TokenRequest {
        namespace: "a".into(),
        name: "sa".into(),
        uid: "u1".into(),
        expiration_seconds: 600,
        bound: Some(("Pod".into(), "p".into(), "u2".into())),
        node: Some(("n".into(), "u3".into())),
        ..TokenRequest::default()
    }
}

fn issue(accounts: &ServiceAccounts, request: &TokenRequest) -> String {
    accounts.issue(request, Timestamp::from_second(1000).unwrap()).unwrap().token
}

#[tokio::test]
async fn a_good_token_is_its_account() {
    let now = Arc::new(AtomicI64::new(1000));
    let accounts = accounts(vec![SA, POD], &now);
    let token = issue(&accounts, &request());
    let (user, audiences) = accounts.authenticate(&token, &[]).await.unwrap();
    assert_eq!(audiences, ["api"]);
    assert_eq!((user.name.as_str(), user.uid.as_str()), ("system:serviceaccount:a:sa", "u1"));
    assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]);
    let extra: Vec<_> =
        user.extra.iter().filter(|(k, _)| !k.ends_with("credential-id")).map(|(_, v)| v[0].as_str()).collect();
    assert_eq!(extra, ["n", "u3", "p", "u2"]);
}

#[tokio::test]
async fn times() {
    let now = Arc::new(AtomicI64::new(1000));
    let accounts = accounts(vec![SA, POD], &now);
    let token = issue(&accounts, &request());
    for (second, good) in [(900, false), (950, true), (1600, true), (1660, true), (1661, false)] {
        now.store(second, Ordering::Relaxed);
        assert_eq!(accounts.authenticate(&token, &[]).await.is_ok(), good, "at {second}");
    }
}

#[tokio::test]
async fn what_it_is_bound_to_must_live() {
    let now = Arc::new(AtomicI64::new(1000));
    let other_sa = ("serviceaccounts/sa", r#"{"metadata":{"name":"sa","namespace":"a","uid":"other"}}"#);
    let other_pod = ("pods/p", r#"{"metadata":{"name":"p","namespace":"a","uid":"other"}}"#);
    let table = [
        (vec![SA, POD], None),
        (vec![SA], Some("service account token has been invalidated")),
        (vec![SA, DYING], Some("service account token has been invalidated")),
        (vec![SA, other_pod], Some("service account token has been invalidated")),
        (vec![POD], Some(r#"serviceaccounts "sa" not found"#)),
        (vec![other_sa, POD], Some("service account UID (other) does not match claim (u1)")),
    ];
    for (objects, error) in table {
        let accounts = accounts(objects, &now);
        let token = issue(&accounts, &request());
        assert_eq!(accounts.authenticate(&token, &[]).await.err().as_deref(), error);
    }
}

#[tokio::test]
async fn audiences() {
    let now = Arc::new(AtomicI64::new(1000));
    let accounts = accounts(vec![SA, POD], &now);
    let token = issue(&accounts, &TokenRequest { audiences: vec!["vault".into()], ..request() });
    assert!(accounts.authenticate(&token, &[]).await.is_err());
    let wanted = ["x".to_owned(), "vault".to_owned()];
    assert_eq!(accounts.authenticate(&token, &wanted).await.unwrap().1, ["vault"]);
}
