//! The difference of two models as one small transaction.
//!
//! Chains of unchanged ports are not touched, chains of changed ones are flushed and refilled in the same transaction
//! that moves map elements, so a packet sees the old or the new state of a port, never a half.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    model::Model,
    render::{
        Chain, Element, Parts, Settings, hairpins, parts, write_chain, write_element, write_hairpin, write_rules,
        write_set,
    },
};

/// The script that turns `have` into `want`; empty where they are equal.
pub fn change(settings: &Settings, have: &Model, want: &Model) -> String {
    let table = settings.table.as_str();
    let (mut before, mut after) = (Parts::default(), Parts::default());
    for (key, port) in &have.ports {
        if want.ports.get(key) != Some(port) {
            extend(&mut before, parts(settings, key, port));
        }
    }
    for (key, port) in &want.ports {
        if have.ports.get(key) != Some(port) {
            extend(&mut after, parts(settings, key, port));
        }
    }
    let mut out = String::new();
    elements(table, "delete", &before, &after, &mut out);
    chains(table, &before, &after, &mut out);
    elements(table, "add", &after, &before, &mut out);
    let (old, new) = (hairpins(have), hairpins(want));
    old.difference(&new).for_each(|ip| write_hairpin(table, "delete", *ip, &mut out));
    new.difference(&old).for_each(|ip| write_hairpin(table, "add", *ip, &mut out));
    out
}

fn extend(all: &mut Parts, more: Parts) {
    all.chains.extend(more.chains);
    all.elements.extend(more.elements);
}

/// Elements of `these` that `those` lack or have otherwise.
fn elements(table: &str, verb: &str, these: &Parts, those: &Parts, out: &mut String) {
    let index: BTreeMap<(&str, &str), &Element> = those.elements.iter().map(|e| ((e.map, e.key.as_str()), e)).collect();
    for e in &these.elements {
        if index.get(&(e.map, e.key.as_str())) != Some(&e) {
            write_element(table, verb, e, out);
        }
    }
}

fn chains(table: &str, before: &Parts, after: &Parts, out: &mut String) {
    let old: BTreeMap<&str, &Chain> = before.chains.iter().map(|c| (c.name.as_str(), c)).collect();
    let new: BTreeMap<&str, &Chain> = after.chains.iter().map(|c| (c.name.as_str(), c)).collect();
    for (name, chain) in &new {
        match old.get(name) {
            None => write_chain(table, chain, out),
            Some(was) if was == chain => {}
            Some(was) => {
                chain.sets.iter().filter(|s| !was.sets.contains(s)).for_each(|s| write_set(table, s, out));
                let _ = writeln!(out, "flush chain ip {table} {name}");
                write_rules(table, chain, out);
                drop_sets(table, was, Some(chain), out);
            }
        }
    }
    for (name, chain) in &old {
        if !new.contains_key(name) {
            let _ = writeln!(out, "flush chain ip {table} {name}\ndelete chain ip {table} {name}");
            drop_sets(table, chain, None, out);
        }
    }
}

/// Sets that nobody needs any more. A changed timeout keeps the set: clients stay where they are.
fn drop_sets(table: &str, was: &Chain, is: Option<&Chain>, out: &mut String) {
    for (set, _) in &was.sets {
        if !is.is_some_and(|c| c.sets.iter().any(|(s, _)| s == set)) {
            let _ = writeln!(out, "delete set ip {table} {set}");
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::{
        render::render,
        watch::{
            model,
            tests::{WEB, service, web_slice},
        },
    };

    fn settings() -> Settings {
        Settings { table: "knarr-proxy".into(), cluster_cidr: "10.42.0.0/16".parse().unwrap(), mark: 0x8000 }
    }

    fn of(endpoints: &str) -> Model {
        model("n1", &[service(WEB)], &[web_slice(endpoints)])
    }

    #[track_caller]
    fn check(have: &Model, want: &Model, expected: Expect) {
        expected.assert_eq(&change(&settings(), have, want));
    }

    const A: &str = r#"{"addresses":["10.42.0.3"],"nodeName":"n1"}"#;
    const AB: &str = r#"{"addresses":["10.42.0.3"],"nodeName":"n1"},{"addresses":["10.42.0.4"]}"#;

    #[test]
    fn the_whole_table() {
        let text = render(&settings(), &of(AB));
        let end = text.find("add chain").unwrap();
        expect![[r#"
            add chain ip knarr-proxy ext-default/web/tcp/http
            add rule ip knarr-proxy ext-default/web/tcp/http meta mark set meta mark or 0x8000
            add rule ip knarr-proxy ext-default/web/tcp/http meta l4proto tcp dnat to numgen random mod 2 map { 0 : 10.42.0.3 . 8080, 1 : 10.42.0.4 . 8080 }
            add chain ip knarr-proxy svc-default/web/tcp/http
            add rule ip knarr-proxy svc-default/web/tcp/http ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x8000
            add rule ip knarr-proxy svc-default/web/tcp/http meta l4proto tcp dnat to numgen random mod 2 map { 0 : 10.42.0.3 . 8080, 1 : 10.42.0.4 . 8080 }
            add element ip knarr-proxy service_ips { 10.43.0.7 . tcp . 80 : goto svc-default/web/tcp/http }
            add element ip knarr-proxy node_ports { tcp . 30080 : goto ext-default/web/tcp/http }
            add element ip knarr-proxy hairpins { 10.42.0.3 . 10.42.0.3 }
        "#]]
        .assert_eq(&text[end..]);
    }

    #[test]
    fn an_endpoint_that_goes_changes_two_chains() {
        check(
            &of(AB),
            &of(A),
            expect![[r#"
                flush chain ip knarr-proxy ext-default/web/tcp/http
                add rule ip knarr-proxy ext-default/web/tcp/http meta mark set meta mark or 0x8000
                add rule ip knarr-proxy ext-default/web/tcp/http meta l4proto tcp dnat to 10.42.0.3:8080
                flush chain ip knarr-proxy svc-default/web/tcp/http
                add rule ip knarr-proxy svc-default/web/tcp/http ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x8000
                add rule ip knarr-proxy svc-default/web/tcp/http meta l4proto tcp dnat to 10.42.0.3:8080
            "#]],
        );
    }

    #[test]
    fn the_last_endpoint_turns_answers_into_refusals() {
        check(
            &of(A),
            &of(""),
            expect![[r#"
                delete element ip knarr-proxy service_ips { 10.43.0.7 . tcp . 80 }
                delete element ip knarr-proxy node_ports { tcp . 30080 }
                flush chain ip knarr-proxy ext-default/web/tcp/http
                delete chain ip knarr-proxy ext-default/web/tcp/http
                flush chain ip knarr-proxy svc-default/web/tcp/http
                delete chain ip knarr-proxy svc-default/web/tcp/http
                add element ip knarr-proxy refused_ips { 10.43.0.7 . tcp . 80 : goto refuse }
                add element ip knarr-proxy refused_ports { tcp . 30080 : goto refuse }
                delete element ip knarr-proxy hairpins { 10.42.0.3 . 10.42.0.3 }
            "#]],
        );
    }

    #[test]
    fn no_difference_is_no_script() {
        check(&of(AB), &of(AB), expect![""]);
    }

    #[test]
    fn affinity_remembers_by_endpoint() {
        let sticky = WEB
            .replace(r#""type":"NodePort","#, r#""sessionAffinity":"ClientIP","#)
            .replace(r#","nodePort":30080"#, "");
        let want = model("n1", &[service(&sticky)], &[web_slice(AB)]);
        check(
            &Model::default(),
            &want,
            expect![[r#"
                add set ip knarr-proxy svc-default/web/tcp/http/10.42.0.3.8080 { type ipv4_addr; size 65536; flags dynamic,timeout; timeout 10800s; }
                add set ip knarr-proxy svc-default/web/tcp/http/10.42.0.4.8080 { type ipv4_addr; size 65536; flags dynamic,timeout; timeout 10800s; }
                add chain ip knarr-proxy svc-default/web/tcp/http
                add rule ip knarr-proxy svc-default/web/tcp/http ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x8000
                add rule ip knarr-proxy svc-default/web/tcp/http ip saddr @svc-default/web/tcp/http/10.42.0.3.8080 update @svc-default/web/tcp/http/10.42.0.3.8080 { ip saddr } meta l4proto tcp dnat to 10.42.0.3:8080
                add rule ip knarr-proxy svc-default/web/tcp/http ip saddr @svc-default/web/tcp/http/10.42.0.4.8080 update @svc-default/web/tcp/http/10.42.0.4.8080 { ip saddr } meta l4proto tcp dnat to 10.42.0.4:8080
                add rule ip knarr-proxy svc-default/web/tcp/http numgen random mod 2 0 update @svc-default/web/tcp/http/10.42.0.3.8080 { ip saddr } meta l4proto tcp dnat to 10.42.0.3:8080
                add rule ip knarr-proxy svc-default/web/tcp/http update @svc-default/web/tcp/http/10.42.0.4.8080 { ip saddr } meta l4proto tcp dnat to 10.42.0.4:8080
                add element ip knarr-proxy service_ips { 10.43.0.7 . tcp . 80 : goto svc-default/web/tcp/http }
                add element ip knarr-proxy hairpins { 10.42.0.3 . 10.42.0.3 }
            "#]],
        );
    }

    /// Every script the golden tests above show, in the order of a Service's life, accepted by the real kernel.
    #[test]
    #[ignore = "needs root and nft"]
    fn the_kernel_takes_every_script() {
        let sticky = WEB.replace(r#""type":"NodePort","#, r#""sessionAffinity":"ClientIP","type":"NodePort","#);
        let sticky = |endpoints| model("n1", &[service(&sticky)], &[web_slice(endpoints)]);
        let states = [of(""), of(A), of(AB), sticky(AB), sticky(A), sticky(""), of(AB), Model::default()];
        let mut scripts = vec![render(&settings(), &Model::default())];
        let mut have = Model::default();
        for want in states {
            scripts.push(change(&settings(), &have, &want));
            have = want;
        }
        scripts.push(crate::teardown("knarr-proxy"));
        let mut shell = String::from("set -e\n");
        scripts.iter().for_each(|s| shell.push_str(&format!("nft -f - <<'END'\n{s}END\n")));
        let status = std::process::Command::new("unshare").args(["-n", "sh", "-c", &shell]).status().unwrap();
        assert!(status.success(), "{shell}");
    }
}
