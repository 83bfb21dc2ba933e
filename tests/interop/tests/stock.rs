//! The stock package among itself: what the other tests take for granted about it.

use std::time::Duration;

use zerocache_interop::{
    Lab, Outcome, Probe, Site, StockClient, StockServer, eventually, on_a_lab, same,
};

/// Stock nodes are seen about 1.2 s after their start; a loaded machine may take longer.
const SEEN: Duration = Duration::from_secs(15);
const NOTICED: Duration = Duration::from_secs(2);
const SPREAD: Duration = Duration::from_secs(2);

fn servers(lab: &mut Lab, regions: &[&str]) -> Outcome<(Vec<StockServer>, Vec<Site>)> {
    let mut servers = Vec::new();
    for region in regions {
        servers.push(StockServer::start(&lab.host()?, region)?);
    }
    let sites: Vec<Site> = servers.iter().map(|server| server.site.clone()).collect();
    for server in &mut servers {
        server.sees(&sites, SEEN)?;
    }
    Ok((servers, sites))
}

#[test]
fn a_client_and_its_decorator_work_on_three_servers() -> Outcome {
    on_a_lab("stock-client", |lab| {
        let (_servers, sites) = servers(lab, &["london"; 3])?;
        let mut client = StockClient::start(&lab.host()?, "london")?;
        client.sees(&sites, SEEN)?;
        same("put", client.put("key", b"value", 60)?, true)?;
        for _ in 0..3 {
            same("get", client.get("key")?, Some(b"value".to_vec()))?;
        }
        same("delete", client.delete("key")?, true)?;
        same("get after delete", client.get("key")?, None)?;
        let (first, computed) = client.decorated(3, "ab")?;
        same("computed at first", computed, true)?;
        for _ in 0..3 {
            same(
                "decorated",
                client.decorated(3, "ab")?,
                (first.clone(), false),
            )?;
        }
        same("alive", client.listing()?.alive, true)
    })
}

#[test]
fn writes_reach_both_regions() -> Outcome {
    on_a_lab("stock-regions", |lab| {
        let (_servers, sites) = servers(lab, &["london", "london", "paris", "paris"])?;
        let mut probe = Probe::start(&lab.host()?)?;
        for (number, site) in sites.iter().enumerate() {
            let key = format!("key-{number}");
            probe.put(site, &key, b"value", 60)?;
            probe.everywhere(&sites, &key, Some(b"value"), SPREAD)?;
            probe.delete(site, &key)?;
            probe.everywhere(&sites, &key, None, SPREAD)?;
        }
        Ok(())
    })
}

#[test]
fn a_client_notices_who_leaves() -> Outcome {
    on_a_lab("stock-leave", |lab| {
        let (mut servers, sites) = servers(lab, &["london"; 2])?;
        let mut client = StockClient::start(&lab.host()?, "london")?;
        client.sees(&sites, SEEN)?;
        let Some(mut leaver) = servers.pop() else {
            return Ok(());
        };
        leaver.begin_leaving()?;
        client.sees(&sites[..1], NOTICED)?;
        leaver.ended().map(|_| ())
    })
}

/// Shows that the test of our copies' expiry can tell: a stock writer's copies live too long.
#[test]
fn copies_written_by_stock_outlive_the_original() -> Outcome {
    on_a_lab("stock-expiry", |lab| {
        let (_servers, sites) = servers(lab, &["london"; 2])?;
        let mut probe = Probe::start(&lab.host()?)?;
        probe.put(&sites[0], "brief", b"value", 1)?;
        eventually("expiry of the original", Duration::from_secs(3), || {
            Ok(probe
                .get(&sites[0], "brief")?
                .map_or(Ok(()), |_| Err("held".to_owned())))
        })?;
        same(
            "the copy",
            probe.get(&sites[1], "brief")?,
            Some(b"value".to_vec()),
        )
    })
}
