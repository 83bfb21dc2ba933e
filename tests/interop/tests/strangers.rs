//! Hosts that lie to a node of ours: what they get for it. In each case somebody who tells the truth
//! comes after them and gets its values, so that the node has heard the lies by then.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use zerocache_interop::{
    Answers, DONE, Host, Lab, Lie, Noted, Ours, Outcome, PONG, Probe, Site, Stranger, eventually,
    on_a_lab, same,
};

/// A node is seen about 1.2 s after its start; a loaded machine may take longer.
const SEEN: Duration = Duration::from_secs(20);
/// Off the link, but the node has a route to it.
const FAR: Ipv4Addr = Ipv4Addr::new(192, 168, 9, 9);
/// What answers as a node does.
const NODE: Answers<'_> = Answers {
    ping: PONG,
    other: DONE,
};
/// What is no node.
const SERVICE: Answers<'_> = Answers {
    ping: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    other: DONE,
};
const HONEST: &str = "0000beef";
const LIAR: &str = "00000bad";

/// A node of ours, and a stranger on the same link.
struct Scene {
    node: Ours,
    probe: Probe,
    stranger: Stranger,
    /// One on the node's own host, which only listens.
    within: Stranger,
    /// The address of the stranger.
    here: Ipv4Addr,
}

impl Scene {
    fn start(lab: &mut Lab, flags: &[&str]) -> Outcome<Self> {
        let (home, other) = (lab.host()?, lab.host()?);
        ip(&other, &format!("addr add {FAR}/32 dev eth0"))?;
        ip(&home, &format!("route add {FAR} dev eth0"))?;
        let mut probe = Probe::start(&lab.host()?)?;
        let address = home.address().to_string();
        let flags = [&["--address", &address], flags].concat();
        let mut node = Ours::start_with(&home, "london", 6789, &flags)?;
        node.answers(&mut probe, "/readyz", SEEN)?;
        Ok(Self {
            node,
            probe,
            stranger: Stranger::start(&other)?,
            within: Stranger::start(&home)?,
            here: other.address(),
        })
    }

    /// A place at the stranger.
    fn place(&self, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.here, port)
    }

    /// Somebody joins as a node does, and gets the values written then, beside these others.
    fn honest_peer_joins(&mut self, others: &[SocketAddrV4]) -> Outcome {
        let at = self.place(7_000);
        self.stranger.listen(at, NODE)?;
        self.stranger.announce(Lie::new(HONEST, at))?;
        let peers: Vec<Site> = others.iter().chain([&at]).map(|at| site(*at)).collect();
        self.node.sees(&mut self.probe, &peers, SEEN)?;
        self.write()?;
        same("values", self.stranger.noted(at)?.values(), 3)
    }

    /// Three values.
    fn write(&mut self) -> Outcome {
        for key in ["a", "b", "c"] {
            let answer = self.probe.put(&self.node.site, key, b"value", 60)?;
            same("status", answer.status, 200)?;
        }
        Ok(())
    }

    /// Nobody comes to the place that a lie tells of.
    fn gets_nothing(&mut self, lie: Lie<'_>) -> Outcome {
        self.stranger.listen(lie.at, NODE)?;
        self.stranger.announce(lie)?;
        self.honest_peer_joins(&[])?;
        nothing(&self.stranger.noted(lie.at)?)
    }
}

fn nothing(noted: &Noted) -> Outcome {
    same("connections", noted.connections, 0)?;
    same("bytes", noted.bytes, 0)
}

fn site(address: SocketAddrV4) -> Site {
    Site {
        address,
        region: "london".to_owned(),
    }
}

fn ip(host: &Host, arguments: &str) -> Outcome {
    let status = host.command("ip").args(arguments.split(' ')).status()?;
    same(arguments, status.success(), true)
}

#[test]
fn who_is_not_on_the_link_announces_nothing_by_unicast() -> Outcome {
    on_a_lab("stranger-off-link", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        let from = (Some(FAR), 5353);
        let to = Some(*scene.node.site.address.ip());
        let lie = Lie::new(LIAR, scene.place(7_001));
        scene.gets_nothing(Lie { from, to, ..lie })
    })
}

#[test]
fn an_announcement_from_another_port_than_5353_is_none() -> Outcome {
    on_a_lab("stranger-port", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        let from = (None, 40_000);
        let lie = Lie::new(LIAR, scene.place(7_001));
        scene.gets_nothing(Lie { from, ..lie })
    })
}

#[test]
fn a_packet_that_has_crossed_a_router_is_not_taken_if_the_node_is_told_so() -> Outcome {
    on_a_lab("stranger-ttl", |lab| {
        let mut scene = Scene::start(lab, &["--mdns-ttl-255"])?;
        let lie = Lie::new(LIAR, scene.place(7_001));
        scene.gets_nothing(Lie { hops: 254, ..lie })
    })
}

#[test]
fn a_service_on_the_nodes_own_host_is_not_knocked_at() -> Outcome {
    on_a_lab("stranger-loopback", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        let own = *scene.node.site.address.ip();
        let places = [Ipv4Addr::LOCALHOST, own].map(|ip| SocketAddrV4::new(ip, 8_080));
        for (place, id) in places.into_iter().zip(["00000001", "00000002"]) {
            scene.within.listen(place, NODE)?;
            scene.stranger.announce(Lie::new(id, place))?;
        }
        scene.honest_peer_joins(&[])?;
        for place in places {
            nothing(&scene.within.noted(place)?)?;
        }
        Ok(())
    })
}

#[test]
fn an_address_off_the_link_is_not_knocked_at() -> Outcome {
    on_a_lab("stranger-elsewhere", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        scene.gets_nothing(Lie::new(LIAR, SocketAddrV4::new(FAR, 7_001)))
    })
}

#[test]
fn an_address_off_the_link_that_is_allowed_is_a_peers() -> Outcome {
    on_a_lab("stranger-allowed", |lab| {
        let mut scene = Scene::start(lab, &["--allow-peers", "192.168.9.0/24"])?;
        let at = SocketAddrV4::new(FAR, 7_001);
        scene.stranger.listen(at, NODE)?;
        scene.stranger.announce(Lie::new("0000600d", at))?;
        scene.honest_peer_joins(&[at])?;
        same("values", scene.stranger.noted(at)?.values(), 3)
    })
}

#[test]
fn a_port_below_1024_is_not_knocked_at() -> Outcome {
    on_a_lab("stranger-low-port", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        scene.gets_nothing(Lie::new(LIAR, scene.place(80)))
    })
}

#[test]
fn a_region_that_is_no_path_segment_makes_no_peer() -> Outcome {
    on_a_lab("stranger-region", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        let region = "london/a?expiry=9 HTTP/1.0\r\nX: y";
        let lie = Lie::new(LIAR, scene.place(7_001));
        scene.gets_nothing(Lie { region, ..lie })
    })
}

#[test]
fn a_service_that_is_no_node_is_asked_for_pong_and_nothing_else() -> Outcome {
    on_a_lab("stranger-service", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        let at = scene.place(7_001);
        scene.stranger.listen(at, SERVICE)?;
        scene.stranger.announce(Lie::new(LIAR, at))?;
        scene.honest_peer_joins(&[])?;
        same("only pings", scene.stranger.noted(at)?.only_pings(), true)
    })
}

#[test]
fn a_redirect_is_not_followed() -> Outcome {
    on_a_lab("stranger-redirect", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        let [target, pings, writes] = [7_001, 7_002, 7_003].map(|port| scene.place(port));
        let moved = |status: &str| {
            format!("HTTP/1.0 {status}\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n")
        };
        let (found, kept) = (moved("302 Found"), moved("307 Temporary Redirect"));
        let (ping, other) = (&*found, &*kept);
        scene.stranger.listen(target, NODE)?;
        scene.stranger.listen(pings, Answers { ping, other })?;
        let ping = PONG;
        scene.stranger.listen(writes, Answers { ping, other })?;
        scene.stranger.announce(Lie::new("00000001", pings))?;
        scene.stranger.announce(Lie::new("00000002", writes))?;
        // The one that redirects writes is a peer, as it answers pings.
        scene.honest_peer_joins(&[writes])?;
        same(
            "only pings",
            scene.stranger.noted(pings)?.only_pings(),
            true,
        )?;
        same("values", scene.stranger.noted(writes)?.values() > 0, true)?;
        nothing(&scene.stranger.noted(target)?)
    })
}

#[test]
fn a_live_peers_name_is_not_taken_over() -> Outcome {
    on_a_lab("stranger-takeover", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        scene.honest_peer_joins(&[])?;
        let (victim, thief) = (scene.place(7_000), scene.place(7_001));
        scene.stranger.listen(thief, NODE)?;
        for _ in 0..3 {
            scene.stranger.announce(Lie::new(HONEST, thief))?;
        }
        // Who comes afterwards is met, and the victim kept.
        let next = scene.place(7_002);
        scene.stranger.listen(next, NODE)?;
        scene.stranger.announce(Lie::new("0000cafe", next))?;
        let peers = [site(victim), site(next)];
        scene.node.sees(&mut scene.probe, &peers, SEEN)?;
        scene.write()?;
        same("values", scene.stranger.noted(victim)?.values(), 6)?;
        same("stolen", scene.stranger.noted(thief)?.values(), 0)
    })
}

#[test]
fn a_goodbye_by_another_only_asks_for_a_ping() -> Outcome {
    on_a_lab("stranger-goodbye", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        // The victim is not where the goodbye comes from.
        let victim = scene.place(7_001);
        scene.stranger.listen(victim, NODE)?;
        scene.stranger.announce(Lie::new("0000600d", victim))?;
        scene.node.sees(&mut scene.probe, &[site(victim)], SEEN)?;
        let lie = Lie::new("0000600d", victim);
        let from = (Some(FAR), 5353);
        scene.stranger.announce(Lie {
            ttl: 0,
            from,
            ..lie
        })?;
        scene.honest_peer_joins(&[victim])?;
        same("values", scene.stranger.noted(victim)?.values(), 3)
    })
}

#[test]
fn what_a_node_holds_is_told_to_whom_it_has_found_to_be_a_node() -> Outcome {
    on_a_lab("stranger-asks", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        scene.write()?;
        let node = scene.node.site.address;
        let ask = |scene: &mut Scene, page: &str| {
            let head = "HTTP/1.1\r\nHost: x\r\nZc-Node: 0000600d london 7001\r\nConnection: close";
            let request = format!("GET /_zc/1/{page} {head}\r\n\r\n");
            scene.stranger.say(node, &request)
        };
        for page in ["digest", "records?what=values"] {
            let line = ask(&mut scene, page)?;
            same(page, line.as_str(), "HTTP/1.1 403 Forbidden")?;
        }
        // It may be a node: it is asked whether it is, and found to be one.
        scene.stranger.listen(scene.place(7_001), NODE)?;
        eventually("the digest", SEEN, || {
            let line = ask(&mut scene, "digest")?;
            Ok(if line == "HTTP/1.1 200 OK" {
                Ok(())
            } else {
                Err(line)
            })
        })?;
        Ok(())
    })
}

#[test]
fn a_flood_of_questions_brings_an_answer_a_second_and_four_times_the_bytes_at_most() -> Outcome {
    on_a_lab("stranger-questions", |lab| {
        let mut scene = Scene::start(lab, &[])?;
        let node = *scene.node.site.address.ip();
        let echo = scene.stranger.ask(node, 100)?;
        let seconds = echo.millis / 1_000;
        let most = usize::try_from(seconds)? + 1;
        same("an answer", (1..=most).contains(&echo.answers.len()), true)?;
        let short = |len: &u64| *len <= 512 && 28 + len <= 4 * (28 + echo.asked);
        same(&format!("{echo:?}"), echo.answers.iter().all(short), true)
    })
}
