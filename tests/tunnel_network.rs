//! Another network: what waited is tried at once, what cannot live any more ends at once.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::kiosk::{Kiosk, config, two_identities, wait_count};
use common::net::in_a_network;
use twocan::device::network_news::Network;
use twocan::identity::Identity;
use twocan::tunnel::{PeerConfig, TunnelConfig};

/// Anna, and Bert whose door she looks for at 10.77.0.2.
fn a_pair(anna: &Identity, bert: &Identity) -> (Kiosk, Kiosk) {
    let nowhere =
        PeerConfig { key: anna.public(), direct: Vec::new(), via_relay: false, place: None };
    let door = Some("0.0.0.0:0".parse().unwrap());
    let b = Kiosk::start(TunnelConfig { door, contacts: vec![nowhere], ..config(bert, "Bert") });
    let direct = vec![format!("10.77.0.2:{}", b.wait_door().port())];
    let contacts = vec![PeerConfig { key: b.key, direct, via_relay: false, place: None }];
    let a = Kiosk::start(TunnelConfig { contacts, ..config(anna, "Anna") });
    (a, b)
}

#[test]
fn an_address_that_comes_is_used_and_one_that_goes_takes_its_sessions_along() {
    in_a_network(|net| {
        let (anna, bert) = two_identities();
        net.cable("cable");
        let (a, b) = a_pair(&anna, &bert);
        a.wait_down(b.key);
        for round in 0..3 {
            let before = 2 * round;
            net.run("ip", &["address", "add", "10.77.0.2/24", "dev", "cable"]);
            wait_count("networks", &a.tunnel.counters().networks, before + 1);
            a.wait_up(b.key);
            b.wait_up(a.key);
            net.run("ip", &["address", "del", "10.77.0.2/24", "dev", "cable"]);
            // Not by their silence; who sees it second may be told by the other one's end.
            for (kiosk, peer) in [(&a, b.key), (&b, a.key)] {
                let why = kiosk.wait_down(peer);
                assert!(!why.contains("silent") && !why.contains("no answer"), "{why}");
            }
            wait_count("networks", &a.tunnel.counters().networks, before + 2);
        }
    });
}

#[test]
fn what_makes_no_difference_is_no_other_network() {
    in_a_network(|net| {
        net.cable("cable");
        net.run("ip", &["address", "add", "10.77.0.2/24", "dev", "cable"]);
        net.run("ip", &["route", "add", "default", "via", "10.77.0.1"]);
        let before = Network::now().unwrap();
        let lifetimes = ["valid_lft", "900", "preferred_lft", "800"];
        net.run(
            "ip",
            &[&["address", "change", "10.77.0.2/24", "dev", "cable"], &lifetimes[..]].concat(),
        );
        let neighbour = ["neighbour", "add", "10.77.0.9", "lladdr", "02:00:00:00:00:09"];
        net.run("ip", &[&neighbour[..], &["dev", "cable"]].concat());
        net.run("ip", &["route", "add", "10.99.0.0/16", "via", "10.77.0.1"]);
        assert_eq!(Network::now().unwrap(), before);
        // Each of these does.
        let changes: [&[&str]; 5] = [
            &["address", "add", "10.77.0.3/24", "dev", "cable"],
            &["address", "del", "10.77.0.3/24", "dev", "cable"],
            &["route", "replace", "default", "via", "10.77.0.254"],
            &["route", "del", "default"],
            &["link", "set", "cable", "down"],
        ];
        let mut last = before;
        for change in changes {
            net.run("ip", change);
            let now = Network::now().unwrap();
            assert_ne!(now, last, "{change:?}");
            last = now;
        }
    });
}

#[test]
fn a_storm_of_changes_is_few() {
    in_a_network(|net| {
        let (anna, bert) = two_identities();
        net.cable("cable");
        let (a, b) = a_pair(&anna, &bert);
        a.wait_down(b.key);
        let storm: String =
            (1..200).map(|n| format!("address add 10.78.0.{n}/24 dev cable\n")).collect();
        net.feed("ip", &["-batch", "-"], &storm);
        net.run("ip", &["address", "add", "10.77.0.2/24", "dev", "cable"]);
        a.wait_up(b.key);
        let changes = a.tunnel.counters().networks.load(std::sync::atomic::Ordering::Relaxed);
        assert!((1..100).contains(&changes), "{changes} changes of network");
    });
}
