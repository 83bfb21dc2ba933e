//! Clients of either kind on nodes of the other.

use serde_json::json;
use zerocache_interop::{Cli, Outcome, on_a_lab, same};

use crate::scene::Kind::{Ours, Stock};
use crate::scene::Scene;

#[test]
fn a_stock_client_puts_gets_and_deletes_on_three_of_ours() -> Outcome {
    on_a_lab("stock-client-on-ours", |lab| {
        let mut scene = Scene::start(lab, &[(Ours, "london"); 3])?;
        let mut client = scene.client(lab, "london")?;
        same("get of nothing", client.get("key")?, None)?;
        for value in [&b"value"[..], b"", &[0xa5; 300_000]] {
            same("put", client.put("key", value, 60)?, true)?;
            // Read your own write, from each node in turn.
            for _ in 0..3 {
                same("get", client.get("key")?.as_deref(), Some(value))?;
            }
        }
        same("delete", client.delete("key")?, true)?;
        for _ in 0..3 {
            same("get after delete", client.get("key")?, None)?;
        }
        client.sees(&scene.sites(), crate::scene::NOTICED)?;
        scene.settle(crate::scene::NOTICED)
    })
}

#[test]
fn the_stock_decorator_caches_on_three_of_ours() -> Outcome {
    on_a_lab("decorator-on-ours", |lab| {
        let scene = Scene::start(lab, &[(Ours, "london"); 3])?;
        let mut client = scene.client(lab, "london")?;
        let expected = json!({"count": 2, "text": "abab"});
        same(
            "first call",
            client.decorated(2, "ab")?,
            (expected.clone(), true),
        )?;
        for _ in 0..3 {
            same(
                "later call",
                client.decorated(2, "ab")?,
                (expected.clone(), false),
            )?;
        }
        same("other arguments", client.decorated(1, "ab")?.1, true)?;
        // Another process shares the result.
        let mut other = scene.client(lab, "london")?;
        same("other client", other.decorated(2, "ab")?, (expected, false))?;
        same(
            "alive",
            client.listing()?.alive && other.listing()?.alive,
            true,
        )
    })
}

#[test]
fn our_client_works_on_stock_servers() -> Outcome {
    on_a_lab("our-client-on-stock", |lab| {
        let mut scene = Scene::start(
            lab,
            &[(Stock, "london"), (Stock, "london"), (Stock, "paris")],
        )?;
        let host = lab.host()?;
        let run =
            |arguments: &[&str]| Cli::run(&host, &[arguments, &["--region", "london"]].concat());
        run(&["get", "key"])?.ended_with(1)?;
        run(&["put", "key", "value", "--ttl", "60"])?.ended_with(0)?;
        scene
            .probe
            .everywhere(&scene.sites(), "key", Some(b"value"), crate::scene::SPREAD)?;
        let hit = run(&["get", "key"])?;
        hit.ended_with(0)?;
        same("value", hit.text("value"), Some("value"))?;
        run(&["del", "key"])?.ended_with(0)?;
        scene
            .probe
            .everywhere(&scene.sites(), "key", None, crate::scene::SPREAD)?;
        run(&["get", "key"])?.ended_with(1)?;
        let nodes = Cli::run(&host, &["nodes"])?;
        nodes.ended_with(0)?;
        let listed = serde_json::to_string(&nodes.lines)?;
        for site in scene.sites() {
            same(&listed, listed.contains(&site.address.to_string()), true)?;
        }
        // A client announces nothing, and leaves no trace.
        scene.settle(crate::scene::NOTICED)
    })
}

#[test]
fn our_client_works_across_regions_of_ours() -> Outcome {
    on_a_lab("our-client-on-ours", |lab| {
        let _scene = Scene::start(lab, &[(Ours, "london"), (Ours, "paris")])?;
        let host = lab.host()?;
        let run = |arguments: &[&str]| Cli::run(&host, arguments);
        run(&[
            "put", "greeting", "hello", "--ttl", "60", "--region", "london",
        ])?
        .ended_with(0)?;
        let hit = run(&["get", "greeting", "--region", "paris"])?;
        hit.ended_with(0)?;
        same("value", hit.text("value"), Some("hello"))?;
        run(&["del", "greeting", "--region", "paris"])?.ended_with(0)?;
        run(&["get", "greeting", "--region", "london"])?.ended_with(1)?;
        // Of a region without a node: the nearest other one serves.
        run(&["put", "greeting", "hi", "--ttl", "60", "--region", "rome"])?.ended_with(0)?;
        let hit = run(&["get", "greeting", "--region", "rome"])?;
        same("value", hit.text("value"), Some("hi"))?;
        run(&["status"])?.ended_with(0)
    })
}

#[test]
fn our_client_says_when_there_is_no_node() -> Outcome {
    on_a_lab("our-client-alone", |lab| {
        let host = lab.host()?;
        Cli::run(&host, &["get", "key", "--region", "london", "--wait", "1"])?.ended_with(3)?;
        Cli::run(&host, &["get", "key", "--region", "no/region"])?.ended_with(2)
    })
}
