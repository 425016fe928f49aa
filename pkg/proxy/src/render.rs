//! A model as nft text.
//!
//! ```text
//! prerouting, output ─▶ services ─▶ map service_ips (ip . proto . port)  ─▶ svc-… ─▶ dnat
//!                           └─ daddr is local ─▶ map node_ports (proto . port) ─▶ ext-…
//! postrouting ─▶ marked ─▶ masquerade          input/forward/output filter ─▶ refused (no endpoints) ─▶ reject
//! ```

use std::{collections::BTreeSet, fmt::Write as _, net::Ipv4Addr};

use ipnet::Ipv4Net;

use crate::model::{Affinity, Endpoint, Model, PortKey, ServicePort};

/// What all rules share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of our table.
    pub table: String,
    /// Pod addresses of the whole cluster.
    pub cluster_cidr: Ipv4Net,
    /// The bit of the packet mark that asks for masquerading; others' bits are left alone.
    pub mark: u32,
}

/// The whole table, replacing what was there.
pub fn render(settings: &Settings, model: &Model) -> String {
    let Settings { table, mark, .. } = settings;
    let mut out = teardown(table);
    let _ = write!(
        out,
        "table ip {table} {{
\tset hairpins {{ type ipv4_addr . ipv4_addr; }}
\tmap service_ips {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
\tmap node_ports {{ type inet_proto . inet_service : verdict; }}
\tmap refused_ips {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
\tmap refused_ports {{ type inet_proto . inet_service : verdict; }}
\tchain refuse {{
\t\tmeta l4proto tcp reject with tcp reset
\t\treject
\t}}
\tchain services {{
\t\tip daddr . meta l4proto . th dport vmap @service_ips
\t\tfib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @node_ports
\t}}
\tchain prerouting {{
\t\ttype nat hook prerouting priority dstnat; policy accept;
\t\tjump services
\t}}
\tchain output {{
\t\ttype nat hook output priority -100; policy accept;
\t\tjump services
\t}}
\tchain disguise {{
\t\tmeta mark set meta mark and {unmask:#x} masquerade
\t}}
\tchain postrouting {{
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\tmeta mark and {mark:#x} != 0 jump disguise
\t\tct status dnat ip saddr . ip daddr @hairpins masquerade
\t}}
\tchain refused {{
\t\tct state new ip daddr . meta l4proto . th dport vmap @refused_ips
\t\tct state new fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @refused_ports
\t}}
\tchain filter_input {{
\t\ttype filter hook input priority filter; policy accept;
\t\tjump refused
\t}}
\tchain filter_forward {{
\t\ttype filter hook forward priority filter; policy accept;
\t\tjump refused
\t}}
\tchain filter_output {{
\t\ttype filter hook output priority filter; policy accept;
\t\tjump refused
\t}}
}}
",
        unmask = !mark
    );
    for (key, port) in &model.ports {
        let parts = parts(settings, key, port);
        parts.chains.iter().for_each(|c| write_chain(table, c, &mut out));
        parts.elements.iter().for_each(|e| write_element(table, "add", e, &mut out));
    }
    for ip in hairpins(model) {
        write_hairpin(table, "add", ip, &mut out);
    }
    out
}

/// Addresses of pods of this node that are behind a Service: one that reaches itself through it must not see its own
/// address as the source.
pub(crate) fn hairpins(model: &Model) -> BTreeSet<Ipv4Addr> {
    model.ports.values().flat_map(|p| &p.endpoints).filter(|e| e.local).map(|e| e.address).collect()
}

/// The script that removes the table; it need not be there.
pub fn teardown(table: &str) -> String {
    format!("table ip {table}\ndelete table ip {table}\n")
}

/// Chain names of a Service port. nft takes 128 bytes of letters, digits, `/`, `_` and `.`; names of Kubernetes need
/// nothing else but `-`, which nft takes too inside a name.
fn chain(prefix: &str, key: &PortKey) -> String {
    let PortKey { service, port, protocol } = key;
    let full = format!("{prefix}-{}/{}/{protocol}/{port}", service.namespace, service.name);
    if full.len() <= 120 {
        return full;
    }
    let hash = full.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{prefix}-{hash:016x}/{protocol}/{}", &port[..port.len().min(40)])
}

/// One element of one of the maps.
#[derive(PartialEq)]
pub(crate) struct Element {
    pub(crate) map: &'static str,
    pub(crate) key: String,
    pub(crate) verdict: String,
}

/// One chain with its rules.
#[derive(PartialEq)]
pub(crate) struct Chain {
    pub(crate) name: String,
    pub(crate) rules: Vec<String>,
    /// The sets its rules need, with their timeout: who was sent to which endpoint.
    pub(crate) sets: Vec<(String, u32)>,
}

/// What one Service port puts into the table: chains, and elements that lead to them.
#[derive(PartialEq, Default)]
pub(crate) struct Parts {
    pub(crate) chains: Vec<Chain>,
    pub(crate) elements: Vec<Element>,
}

/// The parts of a Service port.
pub(crate) fn parts(settings: &Settings, key: &PortKey, port: &ServicePort) -> Parts {
    let mut parts = Parts::default();
    let (internal, external) = (port.internal(), port.external());
    let protocol = key.protocol;
    let at = |ip: &Ipv4Addr| format!("{ip} . {protocol} . {}", port.port);
    let mark = settings.mark;

    let svc = chain("svc", key);
    if !port.addresses.is_empty() {
        if internal.is_empty() {
            let refuse = |ip| Element { map: "refused_ips", key: at(ip), verdict: "goto refuse".to_owned() };
            parts.elements.extend(port.addresses.iter().map(refuse));
        } else {
            let goto = |ip| Element { map: "service_ips", key: at(ip), verdict: format!("goto {svc}") };
            parts.elements.extend(port.addresses.iter().map(goto));
        }
    }
    if let Some(node_port) = port.node_port {
        let key_text = format!("{protocol} . {node_port}");
        if external.is_empty() {
            parts.elements.push(Element { map: "refused_ports", key: key_text, verdict: "goto refuse".to_owned() });
        } else {
            let ext = chain("ext", key);
            parts.elements.push(Element { map: "node_ports", key: key_text, verdict: format!("goto {ext}") });
            let mut picked = pick(key, port, &external, ext);
            if !port.external_local {
                // Answers must come back through this node: the client knows only us.
                picked.rules.insert(0, format!("meta mark set meta mark or {mark:#x}"));
            }
            parts.chains.push(picked);
        }
    }
    if !internal.is_empty() && !port.addresses.is_empty() {
        let mut picked = pick(key, port, &internal, svc);
        // Callers that are no pods may have an address that pods' answers would not come back from.
        picked.rules.insert(0, format!("ip saddr != {} meta mark set meta mark or {mark:#x}", settings.cluster_cidr));
        parts.chains.push(picked);
    }
    parts
}

/// The chain that chooses an endpoint and translates.
fn pick(key: &PortKey, port: &ServicePort, endpoints: &[Endpoint], name: String) -> Chain {
    let to = format!("meta l4proto {} dnat to", key.protocol);
    if let Some(Affinity { timeout }) = port.affinity {
        return remember(&to, timeout, endpoints, name);
    }
    let rule = match endpoints {
        [one] => format!("{to} {}:{}", one.address, one.port),
        many => {
            let list = many.iter().enumerate().map(|(i, e)| format!("{i} : {} . {}", e.address, e.port));
            let list = list.collect::<Vec<_>>().join(", ");
            format!("{to} numgen random mod {} map {{ {list} }}", many.len())
        }
    };
    Chain { name, rules: vec![rule], sets: Vec::new() }
}

/// As [`pick`], but a client goes where it went before while that endpoint is there.
fn remember(to: &str, timeout: u32, endpoints: &[Endpoint], name: String) -> Chain {
    let set = |e: &Endpoint| format!("{name}/{}.{}", e.address, e.port);
    let send = |e: &Endpoint| format!("update @{} {{ ip saddr }} {to} {}:{}", set(e), e.address, e.port);
    let mut rules: Vec<String> = endpoints.iter().map(|e| format!("ip saddr @{} {}", set(e), send(e))).collect();
    rules.extend(endpoints.iter().enumerate().map(|(i, e)| match endpoints.len() - i {
        1 => send(e),
        left => format!("numgen random mod {left} 0 {}", send(e)),
    }));
    let sets = endpoints.iter().map(|e| (set(e), timeout)).collect();
    Chain { name, rules, sets }
}

pub(crate) fn write_set(table: &str, (set, timeout): &(String, u32), out: &mut String) {
    let _ = writeln!(
        out,
        "add set ip {table} {set} {{ type ipv4_addr; size 65536; flags dynamic,timeout; timeout {timeout}s; }}"
    );
}

/// A chain that is not there yet, with the sets it needs.
pub(crate) fn write_chain(table: &str, chain: &Chain, out: &mut String) {
    chain.sets.iter().for_each(|set| write_set(table, set, out));
    let _ = writeln!(out, "add chain ip {table} {}", chain.name);
    write_rules(table, chain, out);
}

pub(crate) fn write_rules(table: &str, chain: &Chain, out: &mut String) {
    for rule in &chain.rules {
        let _ = writeln!(out, "add rule ip {table} {} {rule}", chain.name);
    }
}

pub(crate) fn write_element(table: &str, verb: &str, e: &Element, out: &mut String) {
    let _ = match verb {
        "add" => writeln!(out, "add element ip {table} {} {{ {} : {} }}", e.map, e.key, e.verdict),
        _ => writeln!(out, "{verb} element ip {table} {} {{ {} }}", e.map, e.key),
    };
}

pub(crate) fn write_hairpin(table: &str, verb: &str, ip: Ipv4Addr, out: &mut String) {
    let _ = writeln!(out, "{verb} element ip {table} hairpins {{ {ip} . {ip} }}");
}
