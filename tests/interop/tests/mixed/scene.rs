//! A network with some nodes on it.

use std::time::Duration;

use zerocache_interop::{Lab, Ours, Outcome, Probe, Site, StockClient, StockServer};

/// A node is seen about 1.2 s after its start; a loaded machine may take longer.
pub(crate) const SEEN: Duration = Duration::from_secs(20);
/// Who leaves is gone for everyone within this.
pub(crate) const NOTICED: Duration = Duration::from_secs(2);
/// What is written has reached every live node within this, the other regions included.
pub(crate) const SPREAD: Duration = Duration::from_secs(2);

/// Which kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Stock,
}

/// The nodes of a scenario, and a plain HTTP client.
pub(crate) struct Scene {
    pub(crate) ours: Vec<Ours>,
    pub(crate) stock: Vec<StockServer>,
    pub(crate) probe: Probe,
}

impl Scene {
    /// Starts these nodes at once and waits until each sees all of them.
    pub(crate) fn start(lab: &mut Lab, nodes: &[(Kind, &str)]) -> Outcome<Self> {
        let probe = Probe::start(&lab.host()?)?;
        let mut scene = Self {
            ours: Vec::new(),
            stock: Vec::new(),
            probe,
        };
        for (kind, region) in nodes {
            let host = lab.host()?;
            match kind {
                Kind::Ours => scene.ours.push(Ours::start(&host, region)?),
                Kind::Stock => scene.stock.push(StockServer::start(&host, region)?),
            }
        }
        scene.settle(SEEN)?;
        Ok(scene)
    }

    /// All nodes, ours first.
    pub(crate) fn sites(&self) -> Vec<Site> {
        let ours = self.ours.iter().map(|node| node.site.clone());
        ours.chain(self.stock.iter().map(|node| node.site.clone()))
            .collect()
    }

    /// Waits until every node lists exactly the nodes there are, and every stock listener lives.
    pub(crate) fn settle(&mut self, within: Duration) -> Outcome {
        let sites = self.sites();
        for node in &mut self.stock {
            node.sees(&sites, within)?;
        }
        for node in &mut self.ours {
            let others: Vec<Site> = sites
                .iter()
                .filter(|site| **site != node.site)
                .cloned()
                .collect();
            node.sees(&mut self.probe, &others, within)?;
        }
        Ok(())
    }

    /// A stock client that sees every node.
    pub(crate) fn client(&self, lab: &mut Lab, region: &str) -> Outcome<StockClient> {
        let mut client = StockClient::start(&lab.host()?, region)?;
        client.sees(&self.sites(), SEEN)?;
        Ok(client)
    }

    /// Writes, overwrites and deletes a key at each node in turn; every node must follow.
    pub(crate) fn every_write_is_seen_everywhere(&mut self) -> Outcome {
        let sites = self.sites();
        for (number, site) in sites.iter().enumerate() {
            let key = format!("key-{number}");
            for value in [&b"first"[..], b"second"] {
                self.probe.put(site, &key, value, 60)?;
                self.probe.everywhere(&sites, &key, Some(value), SPREAD)?;
            }
            self.probe.delete(site, &key)?;
            self.probe.everywhere(&sites, &key, None, SPREAD)?;
        }
        Ok(())
    }
}
