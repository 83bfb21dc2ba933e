//! The stock package's servers and clients, and a plain HTTP client, each in its namespace.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::failure::{Failure, Outcome, eventually, same};
use crate::lab::Host;
use crate::process::{Driver, Signal};
use crate::python::{interpreter, script};

/// The default port of every node.
pub(crate) const PORT: u16 = 6789;

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Where it answers HTTP.
    pub address: SocketAddrV4,
    /// Its region.
    pub region: String,
}

/// A node as a stock listener lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The whole DNS-SD instance name.
    pub name: String,
    /// The first address of its record, and the port.
    pub address: SocketAddrV4,
}

/// What a stock listener knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Whether its browser thread still lives; once dead, it never learns anything again.
    pub alive: bool,
    /// Other regions, nearest first.
    pub ranked: Vec<String>,
    /// The nodes of each region, in order of discovery.
    pub regions: BTreeMap<String, Vec<Listed>>,
}

impl Listing {
    /// The addresses listed for a region, sorted, twins included.
    #[must_use]
    pub fn addresses(&self, region: &str) -> Vec<SocketAddrV4> {
        let nodes = self
            .regions
            .get(region)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
        addresses.sort();
        addresses
    }

    /// Whether exactly these nodes are listed, each once, and the listener lives.
    pub(crate) fn shows(&self, sites: &[Site]) -> Result<(), String> {
        let mut seen: Vec<(String, SocketAddrV4)> = Vec::new();
        for region in self.regions.keys() {
            seen.extend(
                self.addresses(region)
                    .into_iter()
                    .map(|one| (region.clone(), one)),
            );
        }
        let mut wanted: Vec<(String, SocketAddrV4)> = sites
            .iter()
            .map(|site| (site.region.clone(), site.address))
            .collect();
        wanted.sort();
        seen.sort();
        if self.alive && seen == wanted {
            return Ok(());
        }
        Err(format!("{self:?}"))
    }
}

/// A stock server.
#[derive(Debug)]
pub struct StockServer {
    driver: Driver,
    /// Where it stands.
    pub site: Site,
    /// The instance name it drew for itself.
    pub name: String,
}

/// A stock client.
#[derive(Debug)]
pub struct StockClient {
    driver: Driver,
}

impl StockServer {
    /// Starts one and waits until it answers HTTP.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(host: &Host, region: &str) -> Outcome<Self> {
        let address = SocketAddrV4::new(host.address(), PORT);
        let mut command = host.command(interpreter()?);
        command.arg(script("stock_server.py"));
        command.args([&address.ip().to_string(), &PORT.to_string(), region]);
        let (driver, first) = Driver::spawn(
            command,
            &format!("stock server {address}"),
            &host.log("stock-server"),
        )?;
        let site = Site {
            address,
            region: region.to_owned(),
        };
        Ok(Self {
            driver,
            site,
            name: text(&first, "name")?,
        })
    }

    /// What it knows.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn listing(&mut self) -> Outcome<Listing> {
        listing(&mut self.driver)
    }

    /// Waits until it lists exactly these nodes, itself among them.
    ///
    /// # Errors
    /// When it does not.
    pub fn sees(&mut self, sites: &[Site], within: Duration) -> Outcome<Duration> {
        let what = format!("what the stock server {} sees", self.site.address);
        eventually(
            &what,
            within,
            || Ok(listing(&mut self.driver)?.shows(sites)),
        )
    }

    /// Sends it the signal to leave, on which it says goodbye.
    ///
    /// While it still announces itself, a stock server swallows that signal; so that is waited for.
    ///
    /// # Errors
    /// When it never gets to know that it is registered.
    pub fn begin_leaving(&mut self) -> Outcome {
        eventually(
            "registration of a stock server",
            Duration::from_secs(15),
            || {
                let answer = self.driver.ask(&json!({"op": "registered"}))?;
                Ok(truth(&answer, "registered")?
                    .then_some(())
                    .ok_or_else(|| "not yet".to_owned()))
            },
        )?;
        self.driver.process.signal(Signal::Term)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after five seconds.
    pub fn ended(mut self) -> Outcome<ExitStatus> {
        self.driver.process.ended(Duration::from_secs(5))
    }

    /// Kills it: no goodbye.
    ///
    /// # Errors
    /// When it does not end within five seconds.
    pub fn kill(mut self) -> Outcome<ExitStatus> {
        self.driver.process.signal(Signal::Kill)?;
        self.driver.process.ended(Duration::from_secs(5))
    }
}

impl StockClient {
    /// Starts one.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(host: &Host, region: &str) -> Outcome<Self> {
        let mut command = host.command(interpreter()?);
        command.arg(script("stock_client.py")).arg(region);
        let name = format!("stock client {}", host.address());
        let (driver, _) = Driver::spawn(command, &name, &host.log("stock-client"))?;
        Ok(Self { driver })
    }

    /// What it knows.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn listing(&mut self) -> Outcome<Listing> {
        listing(&mut self.driver)
    }

    /// Waits until it lists exactly these nodes.
    ///
    /// # Errors
    /// When it does not.
    pub fn sees(&mut self, sites: &[Site], within: Duration) -> Outcome<Duration> {
        eventually("what the stock client sees", within, || {
            Ok(listing(&mut self.driver)?.shows(sites))
        })
    }

    /// A value, or `None` for a miss.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub fn get(&mut self, key: &str) -> Outcome<Option<Vec<u8>>> {
        let answer = self.driver.ask(&json!({"op": "get", "key": key}))?;
        answer
            .get("value")
            .and_then(Value::as_str)
            .map(from_hex)
            .transpose()
    }

    /// Whether it believes the value to be stored.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub fn put(&mut self, key: &str, value: &[u8], expiry: u32) -> Outcome<bool> {
        let request = json!({"op": "put", "key": key, "value": hex(value), "expiry": expiry});
        truth(&self.driver.ask(&request)?, "done")
    }

    /// Whether it believes the value to be deleted.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub fn delete(&mut self, key: &str) -> Outcome<bool> {
        truth(
            &self.driver.ask(&json!({"op": "delete", "key": key}))?,
            "done",
        )
    }

    /// Calls the decorated function; its result, and whether it had to be computed.
    ///
    /// # Errors
    /// When the driver does not answer, or the function raised.
    pub fn decorated(&mut self, count: u32, word: &str) -> Outcome<(Value, bool)> {
        let request = json!({"op": "decorated", "count": count, "word": word});
        let answer = self.driver.ask(&request)?;
        let result = answer.get("result").cloned().unwrap_or_default();
        Ok((result, truth(&answer, "computed")?))
    }
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it all took.
    pub took: Duration,
}

/// A plain HTTP client on a host of its own.
#[derive(Debug)]
pub struct Probe {
    driver: Driver,
}

impl Probe {
    /// Starts one.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(host: &Host) -> Outcome<Self> {
        let mut command = host.command(interpreter()?);
        command.arg(script("probe.py"));
        let (driver, _) = Driver::spawn(command, "probe", &host.log("probe"))?;
        Ok(Self { driver })
    }

    /// One request, on a connection of its own.
    ///
    /// # Errors
    /// When no answer came within five seconds.
    pub fn http(
        &mut self,
        method: &str,
        address: SocketAddrV4,
        target: &str,
        body: &[u8],
    ) -> Outcome<Answer> {
        let answer = self.driver.ask(&json!({
            "op": "http", "address": address.ip().to_string(), "port": address.port(), "method": method,
            "target": target, "body": hex(body), "timeout": 5,
        }))?;
        let status = answer.get("status").and_then(Value::as_u64);
        let headers = answer.get("headers").and_then(Value::as_object);
        let millis = answer.get("millis").and_then(Value::as_f64);
        let (Some(status), Some(headers), Some(millis)) = (status, headers, millis) else {
            return Err(Failure::new(format!("the probe answered {answer:?}")));
        };
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
        Ok(Answer {
            status: u16::try_from(status)?,
            headers: headers.collect(),
            body: from_hex(&text(&answer, "body")?)?,
            took: Duration::from_secs_f64(millis / 1000.0),
        })
    }

    /// Stores a value at a node, in that node's own region.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub fn put(&mut self, site: &Site, key: &str, value: &[u8], expiry: u32) -> Outcome<Answer> {
        let target = format!("/{}/{key}?expiry={expiry}", site.region);
        let answer = self.http("PUT", site.address, &target, value)?;
        same(
            &format!("status of PUT {target} at {}", site.address),
            answer.status,
            200,
        )?;
        Ok(answer)
    }

    /// Deletes a value at a node, in that node's own region.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub fn delete(&mut self, site: &Site, key: &str) -> Outcome<Answer> {
        let target = format!("/{}/{key}", site.region);
        let answer = self.http("DELETE", site.address, &target, b"")?;
        same(
            &format!("status of DELETE {target} at {}", site.address),
            answer.status,
            200,
        )?;
        Ok(answer)
    }

    /// Reads a value at a node, by the path of that node's own region.
    ///
    /// # Errors
    /// When the answer is neither 200 nor 404.
    pub fn get(&mut self, site: &Site, key: &str) -> Outcome<Option<Vec<u8>>> {
        let target = format!("/{}/{key}", site.region);
        let answer = self.http("GET", site.address, &target, b"")?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            status => Err(Failure::new(format!(
                "GET {target} at {}: {status}",
                site.address
            ))),
        }
    }

    /// Waits until every one of the nodes answers the key with this value (or none).
    ///
    /// # Errors
    /// When one still does not.
    pub fn everywhere(
        &mut self,
        sites: &[Site],
        key: &str,
        value: Option<&[u8]>,
        within: Duration,
    ) -> Outcome<Duration> {
        eventually(&format!("{key} on every node"), within, || {
            for site in sites {
                let seen = self.get(site, key)?;
                if seen.as_deref() != value {
                    let seen = seen.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                    return Ok(Err(format!(
                        "{seen:?} on {} ({})",
                        site.address, site.region
                    )));
                }
            }
            Ok(Ok(()))
        })
    }
}

/// A host that announces nodes which are none.
#[derive(Debug)]
pub struct Rogue {
    driver: Driver,
}

impl Rogue {
    /// Starts one.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(host: &Host) -> Outcome<Self> {
        let mut command = host.command(interpreter()?);
        command
            .arg(script("rogue.py"))
            .arg(host.address().to_string());
        let (driver, _) = Driver::spawn(command, "rogue", &host.log("rogue"))?;
        Ok(Self { driver })
    }

    /// Has it announce them all; returns once they are announced.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub fn begin(&mut self) -> Outcome {
        self.driver.ask(&json!({"op": "begin"})).map(|_| ())
    }
}

fn listing(driver: &mut Driver) -> Outcome<Listing> {
    let answer = driver.ask(&json!({"op": "listing"}))?;
    let mut regions = BTreeMap::new();
    for (region, nodes) in answer
        .get("regions")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let nodes = nodes
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object);
        let nodes = nodes.map(|node| {
            Ok(Listed {
                name: text(node, "name")?,
                address: text(node, "address")?.parse()?,
            })
        });
        regions.insert(region.clone(), nodes.collect::<Outcome<Vec<_>>>()?);
    }
    let ranked = answer
        .get("ranked")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let ranked = ranked
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    Ok(Listing {
        alive: truth(&answer, "alive")?,
        ranked,
        regions,
    })
}

fn text(answer: &Map<String, Value>, field: &str) -> Outcome<String> {
    let value = answer.get(field).and_then(Value::as_str).map(str::to_owned);
    value.ok_or_else(|| Failure::new(format!("no text {field:?} in {answer:?}")))
}

fn truth(answer: &Map<String, Value>, field: &str) -> Outcome<bool> {
    let value = answer.get(field).and_then(Value::as_bool);
    value.ok_or_else(|| Failure::new(format!("no truth {field:?} in {answer:?}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Outcome<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        })
        .collect::<Option<_>>()
        .ok_or_else(|| Failure::new(format!("not hexadecimal: {text}")))?;
    Ok(digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect())
}
