//! Regions of both kinds of node.

use std::time::{Duration, Instant};

use zerocache_interop::{Ours as OurNode, Outcome, StockServer, eventually, on_a_lab, same};

use crate::scene::Kind::{Ours, Stock};
use crate::scene::{SEEN, SPREAD, Scene};

#[test]
fn a_write_through_any_member_of_a_region_is_seen_on_every_other() -> Outcome {
    on_a_lab("one-region", |lab| {
        let nodes = [(Ours, "london"), (Stock, "london"), (Stock, "london")];
        let mut scene = Scene::start(lab, &nodes)?;
        scene.every_write_is_seen_everywhere()?;
        scene.settle(SPREAD)
    })
}

#[test]
fn writes_cross_between_two_mixed_regions_both_ways() -> Outcome {
    on_a_lab("two-regions", |lab| {
        let nodes = [
            (Ours, "london"),
            (Stock, "london"),
            (Ours, "paris"),
            (Stock, "paris"),
        ];
        let mut scene = Scene::start(lab, &nodes)?;
        scene.every_write_is_seen_everywhere()?;
        scene.settle(SPREAD)
    })
}

#[test]
fn writes_cross_between_a_region_of_ours_and_one_of_stock() -> Outcome {
    on_a_lab("ours-and-stock-regions", |lab| {
        let nodes = [
            (Ours, "london"),
            (Ours, "london"),
            (Stock, "paris"),
            (Stock, "paris"),
        ];
        let mut scene = Scene::start(lab, &nodes)?;
        scene.every_write_is_seen_everywhere()?;
        scene.settle(SPREAD)
    })
}

#[test]
fn a_node_that_is_told_no_address_announces_its_own() -> Outcome {
    on_a_lab("no-address", |lab| {
        let host = lab.host()?;
        let mut scene = Scene::start(lab, &[(Ours, "london"), (Stock, "paris")])?;
        scene
            .ours
            .push(OurNode::start_with(&host, "london", 6789, &[])?);
        scene.settle(SEEN)?;
        scene.every_write_is_seen_everywhere()
    })
}

#[test]
fn two_nodes_share_a_host() -> Outcome {
    on_a_lab("one-host", |lab| {
        let host = lab.host()?;
        let mut scene = Scene::start(lab, &[(Stock, "london")])?;
        for port in [6789, 6790] {
            let address = host.address().to_string();
            let node = OurNode::start_with(&host, "london", port, &["--address", &address])?;
            scene.ours.push(node);
        }
        scene.settle(SEEN)?;
        scene.every_write_is_seen_everywhere()
    })
}

#[test]
fn a_node_of_ours_and_a_stock_server_share_a_host() -> Outcome {
    on_a_lab("one-host-of-both", |lab| {
        let host = lab.host()?;
        let mut scene = Scene::start(lab, &[(Stock, "london"), (Ours, "london")])?;
        scene.stock.push(StockServer::start(&host, "london")?);
        let address = host.address().to_string();
        scene.ours.push(OurNode::start_with(
            &host,
            "london",
            6790,
            &["--address", &address],
        )?);
        scene.settle(SEEN)?;
        scene.every_write_is_seen_everywhere()
    })
}

/// `cachetools` counts wall time to the microsecond, ours milliseconds; both copies are asked for by
/// separate requests, and copies carry whole seconds.
#[test]
fn copies_on_stock_servers_die_with_the_original() -> Outcome {
    const LIFE: u32 = 3;
    on_a_lab("expiry", |lab| {
        let nodes = [(Ours, "london"), (Stock, "london"), (Stock, "paris")];
        let mut scene = Scene::start(lab, &nodes)?;
        let sites = scene.sites();
        let written = Instant::now();
        scene.probe.put(&sites[0], "brief", b"value", LIFE)?;
        scene
            .probe
            .everywhere(&sites, "brief", Some(b"value"), SPREAD)?;
        for site in &sites {
            eventually(
                &format!("expiry on {}", site.address),
                Duration::from_secs(6),
                || {
                    let value = scene.probe.get(site, "brief")?;
                    Ok(value.map_or(Ok(()), |_| Err("still there".to_owned())))
                },
            )?;
            let age = written.elapsed();
            let lower = Duration::from_secs(u64::from(LIFE)) - Duration::from_millis(50);
            let upper = Duration::from_secs(u64::from(LIFE) + 1) + Duration::from_millis(500);
            let what = format!("life on {}: {age:?} is near {LIFE} s", site.address);
            same(&what, (lower..upper).contains(&age), true)?;
        }
        scene.settle(SPREAD)
    })
}

#[test]
fn keys_that_need_encoding_and_empty_values_arrive_as_they_were() -> Outcome {
    on_a_lab("odd-keys", |lab| {
        let nodes = [(Ours, "london"), (Stock, "london"), (Stock, "paris")];
        let mut scene = Scene::start(lab, &nodes)?;
        let sites = scene.sites();
        for key in [
            "a%20b",
            "a%3Fb",
            "a%23b",
            "a%2541b",
            "a+b",
            "a%26b=c;d",
            "%3C%22%3E",
        ] {
            scene.probe.put(&sites[0], key, key.as_bytes(), 60)?;
            scene
                .probe
                .everywhere(&sites, key, Some(key.as_bytes()), SPREAD)?;
        }
        // Stock sends an empty copy in chunks, which only we take.
        for (number, reached) in [(0, 3), (1, 2)] {
            let key = format!("empty-{number}");
            scene.probe.put(&sites[number], &key, b"", 60)?;
            scene
                .probe
                .everywhere(&sites[..reached], &key, Some(b""), SPREAD)?;
        }
        scene.settle(SPREAD)
    })
}
