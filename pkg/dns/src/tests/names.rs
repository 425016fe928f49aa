//! Golden answers of a zone.

use expect_test::{Expect, expect};
use hickory_proto::rr::Record;

use super::tools::{key, query, service, slice, zone};
use crate::{Answer, Zone, answer};

fn line(zone: &Zone, name: &str, kind: &str) -> String {
    let records = |records: Vec<Record>| {
        let mut data: Vec<String> = records.iter().map(|r| format!("{} {}", r.record_type(), r.data)).collect();
        data.sort();
        data.join(", ")
    };
    match answer(zone, &query(name, kind)) {
        Answer::Records(found) => records(found),
        Answer::Chase { records: found, target } => format!("{} then ask for {target}", records(found)),
        other => format!("{other:?}"),
    }
}

/// `name kind` per line.
#[track_caller]
fn check(zone: &Zone, questions: &str, expected: Expect) {
    let lines = questions.lines().map(str::trim).filter(|l| !l.is_empty()).map(|question| {
        let (name, kind) = question.split_once(' ').unwrap();
        format!("{question}: {}\n", line(zone, name, kind))
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn services_with_addresses() {
    check(
        &zone(),
        "kubernetes.default.svc.cluster.local A
        KUBERNETES.Default.svc.Cluster.LOCAL A
        kubernetes.default.svc.cluster.local AAAA
        kubernetes.default.svc.cluster.local TXT
        kubernetes.default.svc.cluster.local SRV
        _https._tcp.kubernetes.default.svc.cluster.local SRV
        _https._tcp.kubernetes.default.svc.cluster.local A
        _https._udp.kubernetes.default.svc.cluster.local SRV
        _http._tcp.kubernetes.default.svc.cluster.local SRV
        _tcp.kubernetes.default.svc.cluster.local SRV
        https._tcp.kubernetes.default.svc.cluster.local SRV
        web.shop.svc.cluster.local A
        web.shop.svc.cluster.local AAAA
        web.shop.svc.cluster.local ANY
        front.web.shop.svc.cluster.local A
        _._tcp.web.shop.svc.cluster.local SRV
        *.shop.svc.cluster.local A",
        expect![[r#"
            kubernetes.default.svc.cluster.local A: A 10.43.0.1
            KUBERNETES.Default.svc.Cluster.LOCAL A: A 10.43.0.1
            kubernetes.default.svc.cluster.local AAAA: NoData
            kubernetes.default.svc.cluster.local TXT: NoData
            kubernetes.default.svc.cluster.local SRV: SRV 0 100 443 kubernetes.default.svc.cluster.local.
            _https._tcp.kubernetes.default.svc.cluster.local SRV: SRV 0 100 443 kubernetes.default.svc.cluster.local.
            _https._tcp.kubernetes.default.svc.cluster.local A: NoData
            _https._udp.kubernetes.default.svc.cluster.local SRV: NxDomain
            _http._tcp.kubernetes.default.svc.cluster.local SRV: NxDomain
            _tcp.kubernetes.default.svc.cluster.local SRV: NoData
            https._tcp.kubernetes.default.svc.cluster.local SRV: NxDomain
            web.shop.svc.cluster.local A: A 10.43.7.7
            web.shop.svc.cluster.local AAAA: AAAA fd00:43::7
            web.shop.svc.cluster.local ANY: A 10.43.7.7, AAAA fd00:43::7
            front.web.shop.svc.cluster.local A: A 10.42.0.9
            _._tcp.web.shop.svc.cluster.local SRV: NxDomain
            *.shop.svc.cluster.local A: NxDomain
        "#]],
    );
}

#[test]
fn headless_services() {
    check(
        &zone(),
        "db.shop.svc.cluster.local A
        db.shop.svc.cluster.local AAAA
        db.shop.svc.cluster.local MX
        db-0.db.shop.svc.cluster.local A
        db-0.db.shop.svc.cluster.local AAAA
        10-42-1-6.db.shop.svc.cluster.local A
        10-42-1-7.db.shop.svc.cluster.local A
        10-42-0-5.db.shop.svc.cluster.local A
        fd00--5.db.shop.svc.cluster.local AAAA
        _sql._tcp.db.shop.svc.cluster.local SRV
        x.db-0.db.shop.svc.cluster.local A
        void.shop.svc.cluster.local A
        _sql._tcp.void.shop.svc.cluster.local SRV",
        expect![[r#"
            db.shop.svc.cluster.local A: A 10.42.0.5, A 10.42.1.6
            db.shop.svc.cluster.local AAAA: AAAA fd00::5
            db.shop.svc.cluster.local MX: NoData
            db-0.db.shop.svc.cluster.local A: A 10.42.0.5
            db-0.db.shop.svc.cluster.local AAAA: NoData
            10-42-1-6.db.shop.svc.cluster.local A: A 10.42.1.6
            10-42-1-7.db.shop.svc.cluster.local A: NxDomain
            10-42-0-5.db.shop.svc.cluster.local A: NxDomain
            fd00--5.db.shop.svc.cluster.local AAAA: AAAA fd00::5
            _sql._tcp.db.shop.svc.cluster.local SRV: SRV 0 33 15432 10-42-1-6.db.shop.svc.cluster.local., SRV 0 33 15432 db-0.db.shop.svc.cluster.local., SRV 0 33 15432 fd00--5.db.shop.svc.cluster.local.
            x.db-0.db.shop.svc.cluster.local A: NxDomain
            void.shop.svc.cluster.local A: NoData
            _sql._tcp.void.shop.svc.cluster.local SRV: NoData
        "#]],
    );
}

#[test]
fn external_names() {
    check(
        &zone(),
        "out.shop.svc.cluster.local A
        out.shop.svc.cluster.local CNAME
        out.shop.svc.cluster.local ANY
        x.out.shop.svc.cluster.local A
        alias.shop.svc.cluster.local A
        alias.shop.svc.cluster.local TXT
        dangling.shop.svc.cluster.local A
        number.shop.svc.cluster.local A",
        expect![[r#"
            out.shop.svc.cluster.local A: CNAME example.com. then ask for example.com.
            out.shop.svc.cluster.local CNAME: CNAME example.com.
            out.shop.svc.cluster.local ANY: CNAME example.com.
            x.out.shop.svc.cluster.local A: NxDomain
            alias.shop.svc.cluster.local A: A 10.43.7.7, CNAME web.shop.svc.cluster.local.
            alias.shop.svc.cluster.local TXT: CNAME web.shop.svc.cluster.local.
            dangling.shop.svc.cluster.local A: CNAME none.shop.svc.cluster.local.
            number.shop.svc.cluster.local A: NoData
        "#]],
    );
    let ring = line(&zone(), "ring.shop.svc.cluster.local", "A");
    assert_eq!(ring.matches("CNAME").count(), 8, "{ring}");
}

#[test]
fn places_between_and_the_apex() {
    check(
        &zone(),
        "cluster.local SOA
        cluster.local NS
        cluster.local A
        ns.dns.cluster.local A
        dns.cluster.local A
        dns-version.cluster.local TXT
        dns-version.cluster.local A
        svc.cluster.local A
        pod.cluster.local A
        shop.svc.cluster.local A
        bare.svc.cluster.local A
        nowhere.svc.cluster.local A
        none.shop.svc.cluster.local A
        x.cluster.local A
        cluster.local AXFR
        local SOA
        example.com A
        mycluster.local A",
        expect![[r#"
            cluster.local SOA: SOA ns.dns.cluster.local. hostmaster.cluster.local. 15 7200 1800 86400 5
            cluster.local NS: NS ns.dns.cluster.local.
            cluster.local A: NoData
            ns.dns.cluster.local A: A 10.43.0.10
            dns.cluster.local A: NoData
            dns-version.cluster.local TXT: TXT 1.1.0
            dns-version.cluster.local A: NoData
            svc.cluster.local A: NoData
            pod.cluster.local A: NoData
            shop.svc.cluster.local A: NoData
            bare.svc.cluster.local A: NoData
            nowhere.svc.cluster.local A: NxDomain
            none.shop.svc.cluster.local A: NxDomain
            x.cluster.local A: NxDomain
            cluster.local AXFR: Refused
            local SOA: Forward
            example.com A: Forward
            mycluster.local A: Forward
        "#]],
    );
}

#[test]
fn pods_by_address() {
    check(
        &zone(),
        "10-42-0-5.shop.pod.cluster.local A
        10-42-0-5.shop.pod.cluster.local AAAA
        10-42-0-5.bare.pod.cluster.local A
        10-42-0-5.nowhere.pod.cluster.local A
        fd00--5.shop.pod.cluster.local AAAA
        10-42-0.shop.pod.cluster.local A
        x.10-42-0-5.shop.pod.cluster.local A",
        expect![[r#"
            10-42-0-5.shop.pod.cluster.local A: A 10.42.0.5
            10-42-0-5.shop.pod.cluster.local AAAA: NoData
            10-42-0-5.bare.pod.cluster.local A: A 10.42.0.5
            10-42-0-5.nowhere.pod.cluster.local A: NxDomain
            fd00--5.shop.pod.cluster.local AAAA: AAAA fd00::5
            10-42-0.shop.pod.cluster.local A: NxDomain
            x.10-42-0-5.shop.pod.cluster.local A: NxDomain
        "#]],
    );
}

#[test]
fn reverse_names() {
    check(
        &zone(),
        "1.0.43.10.in-addr.arpa PTR
        1.0.43.10.in-addr.arpa A
        5.0.42.10.in-addr.arpa PTR
        6.1.42.10.in-addr.arpa PTR
        7.1.42.10.in-addr.arpa PTR
        9.0.42.10.in-addr.arpa PTR
        7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.4.0.0.0.0.d.f.ip6.arpa PTR
        0.43.10.in-addr.arpa PTR
        8.8.8.8.in-addr.arpa PTR",
        expect![[r#"
            1.0.43.10.in-addr.arpa PTR: PTR kubernetes.default.svc.cluster.local.
            1.0.43.10.in-addr.arpa A: NoData
            5.0.42.10.in-addr.arpa PTR: PTR db-0.db.shop.svc.cluster.local.
            6.1.42.10.in-addr.arpa PTR: PTR 10-42-1-6.db.shop.svc.cluster.local.
            7.1.42.10.in-addr.arpa PTR: Forward
            9.0.42.10.in-addr.arpa PTR: Forward
            7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.4.0.0.0.0.d.f.ip6.arpa PTR: PTR web.shop.svc.cluster.local.
            0.43.10.in-addr.arpa PTR: Forward
            8.8.8.8.in-addr.arpa PTR: Forward
        "#]],
    );
}

#[test]
fn changes_are_followed() {
    let (mut zone, before) = (zone(), zone());
    let db = key("shop", "db");
    let moved = slice("db", r#""addressType":"IPv4","endpoints":[{"addresses":["10.42.0.6"],"hostname":"db-0"}]"#);
    let old = slice("db", r#""addressType":"IPv4","endpoints":[{"addresses":["10.42.0.5"]}]"#);
    zone.set_slice(&key("shop", "db-1"), Some(&old), Some(&moved));
    zone.set_service(&key("shop", "out"), Some(service(r#"{"clusterIP":"10.43.9.9"}"#)));
    zone.set_service(&key("default", "kubernetes"), None);
    zone.set_namespace("bare", false);
    assert!(zone.serial() > before.serial());
    let questions = "db.shop.svc.cluster.local A
        5.0.42.10.in-addr.arpa PTR
        6.0.42.10.in-addr.arpa PTR
        out.shop.svc.cluster.local A
        9.9.43.10.in-addr.arpa PTR
        kubernetes.default.svc.cluster.local A
        default.svc.cluster.local A
        bare.svc.cluster.local A
        1.0.43.10.in-addr.arpa PTR";
    check(
        &zone,
        questions,
        expect![[r#"
        db.shop.svc.cluster.local A: A 10.42.0.6
        5.0.42.10.in-addr.arpa PTR: Forward
        6.0.42.10.in-addr.arpa PTR: PTR db-0.db.shop.svc.cluster.local.
        out.shop.svc.cluster.local A: A 10.43.9.9
        9.9.43.10.in-addr.arpa PTR: PTR out.shop.svc.cluster.local.
        kubernetes.default.svc.cluster.local A: NxDomain
        default.svc.cluster.local A: NxDomain
        bare.svc.cluster.local A: NxDomain
        1.0.43.10.in-addr.arpa PTR: Forward
    "#]],
    );
    // A slice may go to another Service, and a headless Service may come after its slices.
    let given = slice("late", r#""addressType":"IPv4","endpoints":[{"addresses":["10.42.0.6"]}]"#);
    zone.set_slice(&key("shop", "db-1"), Some(&moved), Some(&given));
    assert_eq!(line(&zone, "6.0.42.10.in-addr.arpa", "PTR"), "Forward");
    zone.set_service(&key("shop", "late"), Some(service(r#"{"clusterIP":"None"}"#)));
    assert_eq!(line(&zone, "6.0.42.10.in-addr.arpa", "PTR"), "PTR 10-42-0-6.late.shop.svc.cluster.local.");
    zone.set_slice(&key("shop", "db-1"), Some(&given), None);
    zone.set_service(&db, None);
    assert_eq!(line(&zone, "6.0.42.10.in-addr.arpa", "PTR"), "Forward");
    assert_eq!(line(&zone, "db.shop.svc.cluster.local", "A"), "NxDomain");
}
