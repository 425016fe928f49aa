//! Hosts, and the table as a whole.

use expect_test::expect;

use crate::tables::{ask, rules, table};

const CLUSTER: &str = r#"
kind: IngressClass
metadata: { name: knarr, annotations: { ingressclass.kubernetes.io/is-default-class: "true" } }
spec: { controller: knarr.io/ingress }
---
kind: Ingress
metadata: { name: web, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z" }
spec:
  defaultBackend: { service: { name: sorry, port: { name: http } } }
  tls: [ { hosts: [ Shop.example.com ], secretName: shop-tls } ]
  rules:
  - host: Shop.example.com
    http:
      paths:
      - { path: /, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }
      - { path: /api/, pathType: Prefix, backend: { service: { name: api, port: { name: grpc } } } }
      - { path: /api, pathType: Exact, backend: { service: { name: docs, port: { number: 80 } } } }
  - host: "*.example.com"
    http:
      paths: [ { pathType: ImplementationSpecific, backend: { service: { name: gone, port: { number: 80 } } } } ]
---
kind: Ingress
metadata: { name: younger, namespace: shop, creationTimestamp: "2026-01-02T00:00:00Z" }
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - { path: /api, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }
      - { path: /files, pathType: Prefix, backend: { resource: { kind: Bucket, name: files } } }
      - { path: /out, pathType: Prefix, backend: { service: { name: out, port: { number: 80 } } } }
      - { path: /port, pathType: Prefix, backend: { service: { name: web, port: { number: 81 } } } }
---
kind: Ingress
metadata: { name: others, namespace: shop }
spec: { ingressClassName: nginx, rules: [ { host: other.example.com } ] }
---
kind: Service
metadata: { name: web, namespace: shop }
spec: { ports: [ { port: 80 }, { port: 80, protocol: UDP } ] }
---
kind: Service
metadata: { name: api, namespace: shop }
spec: { ports: [ { name: grpc, port: 443, appProtocol: kubernetes.io/h2c } ] }
---
kind: Service
metadata: { name: docs, namespace: shop }
spec: { ports: [ { port: 80 } ] }
---
kind: Service
metadata: { name: sorry, namespace: shop }
spec: { ports: [ { name: http, port: 8080 } ] }
---
kind: Service
metadata: { name: out, namespace: shop }
spec: { type: ExternalName, externalName: example.org, ports: [ { port: 80 } ] }
---
kind: EndpointSlice
metadata: { name: web-1, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [ { name: "", port: 8080 } ]
endpoints:
- { addresses: [ 10.42.0.9 ] }
- { addresses: [ 10.42.0.8 ], conditions: { ready: true, serving: true } }
- { addresses: [ 10.42.0.7 ], conditions: { ready: false, serving: true, terminating: true } }
- { addresses: [ 10.42.0.6 ], conditions: { ready: false, serving: false } }
---
kind: EndpointSlice
metadata: { name: web-6, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv6
ports: [ { name: "", port: 8080 } ]
endpoints: [ { addresses: [ "fd00::9" ] } ]
---
kind: EndpointSlice
metadata: { name: api-1, namespace: shop, labels: { kubernetes.io/service-name: api } }
addressType: IPv6
ports: [ { name: other, port: 1 }, { name: grpc, port: 9000 } ]
endpoints: [ { addresses: [ "fd00::1" ] } ]
---
kind: EndpointSlice
metadata: { name: docs-1, namespace: shop, labels: { kubernetes.io/service-name: docs } }
addressType: IPv4
ports: [ { name: "", port: 8000 } ]
endpoints:
- { addresses: [ 10.42.0.5 ], conditions: { ready: false, serving: true, terminating: true } }
- { addresses: [ 10.42.0.4 ], conditions: { ready: false, serving: false, terminating: true } }
- { addresses: [ 10.42.0.3 ], conditions: { ready: false } }
"#;

#[test]
fn the_whole_table() {
    expect![[r#"
        shop.example.com
            /files/ -> Bucket files [] redirect
            /port/ -> shop/web:81 [] redirect
          = /api -> shop/docs:80 [10.42.0.5:8000] redirect
            /api/ -> shop/api:grpc h2c [[fd00::1]:9000] redirect
            /out/ -> shop/out:80 [] redirect
            / -> shop/web:80 [10.42.0.8:8080, 10.42.0.9:8080] redirect
            default -> shop/sorry:http [] redirect
        *.example.com
            / -> shop/gone:80 []
            default -> shop/sorry:http []
        any host
            default -> shop/sorry:http []
        ! shop/web: SecretNotFound: Secret shop/shop-tls of type kubernetes.io/tls does not exist
        ! shop/web: ServiceNotFound: Service shop/gone does not exist
        ! shop/younger: ServicePortNotFound: Service shop/web has no TCP port 81
        ! shop/younger: UnsupportedBackend: Service shop/out is of type ExternalName
        ! shop/younger: UnsupportedBackend: backend Bucket files is not a Service
    "#]]
    .assert_eq(&table(CLUSTER).to_string());
}

#[test]
fn hosts_exact_before_wildcard_before_none() {
    let table = rules(
        "app.example.com Prefix / exact
         *.example.com   Prefix / wildcard
         -               Prefix / any",
    );
    for (url, backend) in [
        ("http://app.example.com/", "shop/exact:80"),
        ("http://APP.Example.com:8080/x", "shop/exact:80"),
        ("http://app.example.com./", "shop/exact:80"),
        ("http://other.example.com/", "shop/wildcard:80"),
        // A wildcard stands for one label, not for none and not for two.
        ("http://example.com/", "shop/any:80"),
        ("http://a.b.example.com/", "shop/any:80"),
        ("http://10.0.0.1/", "shop/any:80"),
        ("http://[fd00::1]:80/", "shop/any:80"),
    ] {
        assert_eq!(ask(&table, url), backend, "{url}");
    }
}

#[test]
fn a_host_rule_serves_only_its_host() {
    let table = rules("app.example.com Prefix / web");
    assert_eq!(ask(&table, "http://app.example.com/"), "shop/web:80");
    assert_eq!(ask(&table, "http://other.example.com/"), "404");
    let table = rules("*.example.com Prefix / web");
    assert_eq!(ask(&table, "http://example.com/"), "404");
}

#[test]
fn what_no_path_of_a_host_matches_falls_to_less_specific_hosts() {
    let table = rules(
        "app.example.com Prefix /a exact
         *.example.com   Prefix /b wildcard
         -               Prefix /c any",
    );
    assert_eq!(ask(&table, "http://app.example.com/a"), "shop/exact:80");
    assert_eq!(ask(&table, "http://app.example.com/b"), "shop/wildcard:80");
    assert_eq!(ask(&table, "http://app.example.com/c"), "shop/any:80");
    assert_eq!(ask(&table, "http://app.example.com/d"), "404");
}

#[test]
fn default_backends_come_after_every_rule() {
    let table = rules(
        "app.example.com Prefix  /a web
         -               Default -  own

         - Default - cluster

         - Prefix /any any",
    );
    assert_eq!(ask(&table, "http://app.example.com/a"), "shop/web:80");
    assert_eq!(ask(&table, "http://app.example.com/b"), "shop/own:80");
    assert_eq!(ask(&table, "http://app.example.com/any"), "shop/any:80");
    // The oldest default of the cluster.
    assert_eq!(ask(&table, "http://elsewhere.example.com/"), "shop/own:80");
}

#[test]
fn an_ingress_of_only_a_default_backend_takes_everything() {
    let table = rules("- Default - web");
    assert_eq!(ask(&table, "http://whatever/and/ever"), "shop/web:80");
}

#[test]
fn of_two_claims_the_older_wins_and_paths_of_one_host_add_up() {
    let table = rules(
        "app.example.com Prefix / older

         app.example.com Prefix / younger
         app.example.com Prefix /more more",
    );
    assert_eq!(ask(&table, "http://app.example.com/"), "shop/older:80");
    assert_eq!(ask(&table, "http://app.example.com/more"), "shop/more:80");
}

#[test]
fn what_is_no_host_is_none() {
    use knarr_ingress::host_of;
    for bad in ["", ".", "a b", "a:b", "a:99999", "[::1", "[::1]x", "[zz]", "a/b", "a@b", "::1"] {
        assert_eq!(host_of(bad), None, "{bad:?}");
    }
    assert_eq!(host_of("A.b:80").as_deref(), Some("a.b"));
    assert_eq!(host_of("a:").as_deref(), Some("a"));
    assert_eq!(host_of("[FD00::1]:443").as_deref(), Some("[fd00::1]"));
}

#[test]
fn redirects_go_where_tls_is() {
    let of = |annotation: &str| {
        table(&format!(
            "
kind: Ingress
metadata: {{ name: a, namespace: shop, annotations: {{ {annotation} }} }}
spec:
  tls: [ {{ hosts: [ '*.example.com', shop.example.org ] }} ]
  rules:
  - {{ host: a.example.com, http: {{ paths: [ {{ pathType: Prefix, path: /, backend: {{ service: {{ name: s }} }} }} ] }} }}
  - {{ host: b.c.example.com, http: {{ paths: [ {{ pathType: Prefix, path: /, backend: {{ service: {{ name: s }} }} }} ] }} }}
---
kind: Ingress
metadata: {{ name: b, namespace: shop }}
spec:
  rules:
  - {{ host: shop.example.org, http: {{ paths: [ {{ pathType: Prefix, path: /, backend: {{ service: {{ name: s }} }} }} ] }} }}
"
        ))
    };
    let table = of("");
    assert_eq!(ask(&table, "http://a.example.com/x"), "redirect");
    assert_eq!(ask(&table, "https://a.example.com/x"), "shop/s:0");
    assert_eq!(ask(&table, "http://b.c.example.com/x"), "shop/s:0");
    // TLS belongs to the host, whichever Ingress brought it.
    assert_eq!(ask(&table, "http://shop.example.org/"), "redirect");
    for off in ["knarr.io/ssl-redirect: 'false'", "nginx.ingress.kubernetes.io/ssl-redirect: 'false'"] {
        let table = of(off);
        assert_eq!(ask(&table, "http://a.example.com/x"), "shop/s:0", "{off}");
        assert_eq!(ask(&table, "http://shop.example.org/"), "redirect", "{off}");
    }
}
