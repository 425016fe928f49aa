use expect_test::{Expect, expect};

use super::*;

fn local(backend: Backend) -> Local {
    Local {
        name: "a".to_owned(),
        pods: "10.42.0.0/24".parse().unwrap(),
        cluster: "10.42.0.0/16".parse().unwrap(),
        backend,
        uplink: Uplink {
            index: 2,
            address: Ipv4Addr::new(192, 0, 2, 1),
            net: "192.0.2.0/24".parse().unwrap(),
            mtu: 1500,
        },
    }
}

fn peer(name: &str, address: &str, pods: &str, backend: Option<Backend>) -> Peer {
    Peer { name: name.to_owned(), address: address.parse().ok(), pods: pods.parse().ok(), backend, told: None }
}

fn abc() -> Vec<Peer> {
    vec![
        peer("a", "192.0.2.1", "10.42.0.0/24", None),
        peer("b", "192.0.2.2", "10.42.1.0/24", None),
        peer("c", "203.0.113.3", "10.42.2.0/24", None),
        peer("new", "192.0.2.4", "", None),
    ]
}

/// The steps of a change, one a line, and who cannot be reached.
#[track_caller]
fn check(local: &Local, peers: &[Peer], have: &State, expected: Expect) -> State {
    let (want, unreachable) = want(local, peers.iter());
    let mut out: Vec<String> = plan(&want, have, false).iter().map(|s| format!("{s:?}\n")).collect();
    out.extend(unreachable.iter().map(|u| format!("unreachable {u}\n")));
    expected.assert_eq(&out.concat());
    assert_eq!(plan(&want, &want, false), [], "what is there needs no step");
    want
}

#[test]
fn peers_come_change_and_go() {
    let local = local(Backend::Vxlan);
    let first = check(
        &local,
        &abc(),
        &State::default(),
        expect![[r#"
            MakeTunnel(Tunnel { mac: 0a:58:0a:2a:00:01, local: 192.0.2.1, mtu: 1450 })
            AddForward(0a:58:0a:2a:01:01, 192.0.2.2)
            AddForward(0a:58:0a:2a:02:01, 203.0.113.3)
            AddNeighbour(10.42.1.1, 0a:58:0a:2a:01:01)
            AddNeighbour(10.42.2.1, 0a:58:0a:2a:02:01)
            AddRoute(10.42.0.0/24, Nowhere)
            AddRoute(10.42.1.0/24, Tunnel { gateway: 10.42.1.1, source: 10.42.0.1 })
            AddRoute(10.42.2.0/24, Tunnel { gateway: 10.42.2.1, source: 10.42.0.1 })
        "#]],
    );
    // Node b got another address; node c left.
    let mut peers = abc();
    peers[1].address = Some(Ipv4Addr::new(192, 0, 2, 9));
    peers.remove(2);
    check(
        &local,
        &peers,
        &first,
        expect![[r#"
            RemoveRoute(10.42.2.0/24, Tunnel { gateway: 10.42.2.1, source: 10.42.0.1 })
            RemoveNeighbour(10.42.2.1)
            RemoveForward(0a:58:0a:2a:02:01, 203.0.113.3)
            AddForward(0a:58:0a:2a:01:01, 192.0.2.9)
        "#]],
    );
}

#[test]
fn direct_routes_need_one_network() {
    check(
        &local(Backend::HostGw),
        &abc(),
        &State::default(),
        expect![[r#"
            AddRoute(10.42.0.0/24, Nowhere)
            AddRoute(10.42.1.0/24, Direct { gateway: 192.0.2.2, link: 2 })
            unreachable c: 203.0.113.3 is not on our network 192.0.2.0/24, and one of us has no VXLAN
        "#]],
    );
}

#[test]
fn a_switch_of_the_backend_leaves_nothing_behind() {
    let (tunnelled, _) = want(&local(Backend::Vxlan), abc().iter());
    check(
        &local(Backend::HostGw),
        &abc(),
        &tunnelled,
        expect![[r#"
            RemoveTunnel
            AddRoute(10.42.1.0/24, Direct { gateway: 192.0.2.2, link: 2 })
            unreachable c: 203.0.113.3 is not on our network 192.0.2.0/24, and one of us has no VXLAN
        "#]],
    );
    check(
        &local(Backend::None),
        &abc(),
        &tunnelled,
        expect![[r#"
            RemoveTunnel
            RemoveRoute(10.42.0.0/24, Nowhere)
        "#]],
    );
}

#[test]
fn the_tunnel_is_used_where_both_have_one() {
    let mut peers = abc();
    peers[1].backend = Some(Backend::HostGw);
    peers[2].backend = Some(Backend::None);
    check(
        &local(Backend::Vxlan),
        &peers,
        &State::default(),
        expect![[r#"
            MakeTunnel(Tunnel { mac: 0a:58:0a:2a:00:01, local: 192.0.2.1, mtu: 1450 })
            AddRoute(10.42.0.0/24, Nowhere)
            AddRoute(10.42.1.0/24, Direct { gateway: 192.0.2.2, link: 2 })
        "#]],
    );
}

#[test]
fn a_node_cannot_claim_addresses_of_others() {
    let local = local(Backend::Vxlan);
    for pods in ["0.0.0.0/0", "10.43.0.0/24", "10.42.0.0/16", "10.42.0.0/24", "10.42.0.128/25"] {
        let (state, unreachable) = want(&local, [peer("evil", "192.0.2.66", pods, None)].iter());
        assert_eq!((state.routes.len(), unreachable.len()), (1, 1), "{pods}");
    }
}

#[test]
fn a_tunnel_that_is_not_as_it_should_be_is_made_anew() {
    let local = local(Backend::Vxlan);
    let (have, _) = want(&local, abc().iter());
    let mut moved = local.clone();
    moved.uplink.mtu = 9000;
    let (want, _) = want(&moved, abc().iter());
    let steps = plan(&want, &have, false);
    assert!(matches!(&steps[..2], [Step::RemoveTunnel, Step::MakeTunnel(t)] if t.mtu == 8950), "{steps:?}");
    assert_eq!(steps.len(), 2 + 2 * 3, "all that went through it is added again: {steps:?}");
    assert_eq!(plan(&want, &State::default(), true)[0], Step::RemoveTunnel);
}
