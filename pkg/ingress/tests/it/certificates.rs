//! Certificates by SNI, swapped while running.

use jiff::Timestamp;
use knarr_client::{ApiExt as _, resources};
use knarr_pki::Leaf;
use rustls::pki_types::CertificateDer;

use crate::support::{World, secret};

const TLS: &str = "
kind: Ingress
metadata: { name: a, namespace: shop }
spec:
  ingressClassName: knarr
  tls:
  - { hosts: [ '*.shop.test' ], secretName: wild }
  - { hosts: [ App.Shop.test ], secretName: app }
  - { hosts: [ local.test, '*.local.test' ] }
  rules: [ { host: app.shop.test }, { host: local.test } ]
";

/// The names of the certificate a client of `name` is shown; only if it trusts it.
async fn shown(world: &World, name: &str) -> Result<Vec<String>, String> {
    let stream = world.tls(name, "http/1.1").await.map_err(|e| e.to_string())?;
    let der: &CertificateDer<'_> = &stream.get_ref().1.peer_certificates().unwrap()[0];
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der));
    Ok(knarr_pki::expiry(&pem).unwrap().1)
}

async fn world() -> World {
    let world = World::new(TLS).await;
    world.secret("shop", "wild", &["*.shop.test"]).await;
    world.secret("shop", "app", &["app.shop.test"]).await;
    world.secret("kube-system", "knarr-ingress-local", &["knarr-ingress.local", "127.0.0.1"]).await;
    world.secret("kube-system", "knarr-ingress-local.local.test", &["local.test"]).await;
    world.secret("kube-system", "knarr-ingress-local-wildcard.local.test", &["*.local.test"]).await;
    world.until(|t| t.certificates.find(Some("x.local.test")).is_some() && t.problems.is_empty()).await;
    world
}

#[tokio::test]
async fn exact_before_wildcard_before_local_before_default() {
    let world = world().await;
    for (name, names) in [
        ("app.shop.test", vec!["app.shop.test"]),
        ("other.shop.test", vec!["*.shop.test"]),
        ("local.test", vec!["local.test"]),
        ("x.local.test", vec!["*.local.test"]),
        ("", vec!["knarr-ingress.local", "127.0.0.1"]),
    ] {
        assert_eq!(shown(&world, name).await.unwrap(), names, "{name}");
    }
    // Somebody else's host gets the default certificate, which is not for it.
    assert!(shown(&world, "elsewhere.test").await.unwrap_err().contains("not valid for name"));
}

#[tokio::test]
async fn a_new_secret_is_shown_without_restart_and_open_connections_live_on() {
    let world = world().await;
    let old = world.tls("app.shop.test", "http/1.1").await.unwrap();
    let before = old.get_ref().1.peer_certificates().unwrap()[0].clone();
    world.secret("shop", "app", &["app.shop.test", "new.test"]).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while shown(&world, "app.shop.test").await.unwrap() != ["app.shop.test", "new.test"] {
        assert!(tokio::time::Instant::now() < deadline);
    }
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(old)).await.unwrap();
    assert!(world.crowd.try_spawn(|_| async move { drop(connection.await) }));
    let request = http::Request::get("/none").header("host", "x").body(crate::support::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 404);
    assert_ne!(world.tls("app.shop.test", "h2").await.unwrap().get_ref().1.peer_certificates().unwrap()[0], before);
}

#[tokio::test]
async fn a_secret_that_is_invalid_or_gone_gives_way_to_the_local_ca() {
    let world = world().await;
    let issue = || world.ca.issue(&Leaf::server("x", ["app.shop.test"]), Timestamp::now()).unwrap();
    let (one, two) = (issue(), issue());
    let mixed = secret("shop", "app", &one.cert, &two.key);
    world.api.apply(&resources::SECRETS, "shop", "app", "test", mixed).await.unwrap();
    world.until(|t| t.problems.iter().any(|p| p.reason == "SecretInvalid")).await;
    assert!(world.ingress.table().local.contains("app.shop.test"));
    assert_eq!(shown(&world, "app.shop.test").await.unwrap(), ["*.shop.test"]);
    world.secret("kube-system", "knarr-ingress-local.app.shop.test", &["app.shop.test"]).await;
    world
        .until(|t| {
            t.certificates
                .find(Some("app.shop.test"))
                .is_some_and(|c| c.cert[0] != t.certificates.find(Some("b.shop.test")).unwrap().cert[0])
        })
        .await;
    assert_eq!(shown(&world, "app.shop.test").await.unwrap(), ["app.shop.test"]);
    world.api.delete(&resources::SECRETS, "shop", "wild", "").await.unwrap();
    world.until(|t| t.problems.iter().any(|p| p.reason == "SecretNotFound")).await;
}

#[tokio::test]
async fn without_any_certificate_a_handshake_fails_and_the_listener_lives() {
    let world = World::new(TLS).await;
    world.until(|t| !t.served.is_empty()).await;
    assert!(world.tls("app.shop.test", "h2").await.is_err());
    world.secret("shop", "app", &["app.shop.test"]).await;
    world.until(|t| t.certificates.find(Some("app.shop.test")).is_some()).await;
    assert!(world.tls("app.shop.test", "h2").await.is_ok());
}
