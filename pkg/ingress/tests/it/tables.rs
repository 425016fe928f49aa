//! The table as text, and questions to it.

use std::sync::Arc;

use knarr_client::Key;
use knarr_ingress::{
    Asked, Certificate, Decision, Table, View, build, host_of,
    objects::{ClassInfo, IngressInfo, ServiceInfo, SliceInfo},
    route,
};

use crate::support::objects;

/// The view of a manifest.
pub(crate) fn view(manifest: &str) -> View {
    let mut view = View::default();
    for object in objects(manifest) {
        #[derive(serde::Deserialize)]
        struct Typed {
            kind: String,
        }
        let Typed { kind } = object.decode().unwrap();
        match kind.as_str() {
            "Ingress" => view.ingresses.push(Arc::new(IngressInfo::project(&object).unwrap())),
            "IngressClass" => view.classes.push(ClassInfo::project(&object).unwrap()),
            "Service" => view.services.push(Arc::new(ServiceInfo::project(&object).unwrap())),
            "EndpointSlice" => view.slices.extend(SliceInfo::project(&object).map(Arc::new)),
            "Secret" => {
                let certificate = Certificate::project(&object).map(Arc::new);
                view.secrets.extend(certificate.map(|c| (Key::of(&object), c)));
            }
            other => panic!("what is a {other}?"),
        }
    }
    view
}

pub(crate) fn table(manifest: &str) -> Table {
    build(&view(manifest))
}

/// Asks the table for `url` (`http://host/path`) and answers the backend, `redirect` or `404`.
pub(crate) fn ask(table: &Table, url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(a, p)| (a, p));
    let path = format!("/{path}");
    let host = host_of(authority).unwrap();
    match route(table, Asked { host: &host, path: &path, secure: scheme == "https" }) {
        Decision::Forward(backend) => backend.name.clone(),
        Decision::Redirect => "redirect".to_owned(),
        Decision::NotFound => "404".to_owned(),
    }
}

/// Ingresses in namespace `shop`, in order of age. A line is `host type path service` (`-` for none), a blank line
/// begins the next Ingress.
pub(crate) fn rules(text: &str) -> Table {
    let mut manifest = String::new();
    for (n, block) in text.split("\n\n").enumerate() {
        manifest.push_str(&format!(
            "---\nkind: Ingress\nmetadata: {{ name: i{n}, namespace: shop, creationTimestamp: '2026-01-01T00:00:0{n}Z' }}\n"
        ));
        let mut default = String::new();
        let mut rules = String::new();
        for line in block.lines().filter(|l| !l.trim().is_empty()) {
            let [host, kind, path, service] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("four words in {line:?}")
            };
            let backend = format!("{{ service: {{ name: {service}, port: {{ number: 80 }} }} }}");
            if kind == "Default" {
                default = format!("  defaultBackend: {backend}\n");
                continue;
            }
            let host = if host == "-" { "" } else { host };
            rules.push_str(&format!(
                "  - host: {host:?}\n    http: {{ paths: [ {{ path: {path:?}, pathType: {kind}, backend: {backend} }} ] }}\n"
            ));
        }
        let rules = if rules.is_empty() { "  rules: []\n".to_owned() } else { format!("  rules:\n{rules}") };
        manifest.push_str(&format!("spec:\n{default}{rules}"));
    }
    table(&manifest)
}
