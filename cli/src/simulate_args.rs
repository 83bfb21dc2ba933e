//! The arguments of `simulate`, and how its texts are read.

use clap::{Args, ValueEnum};
use std::str::FromStr;
use std::time::Duration;
use zerocache_sim::scale::{self, Pair, Partition};

#[derive(Args, Debug)]
pub(crate) struct Simulate {
    /// How many nodes; several numbers, divided by commas, for a table of them
    #[arg(long, env = "ZEROCACHE_NODES", value_name = "N", value_delimiter = ',', default_value = "100",
        value_parser = nodes)]
    pub(crate) nodes: Vec<usize>,
    /// In how many regions [default: one for each 250 nodes, at least 3]
    #[arg(long, env = "ZEROCACHE_REGIONS", value_name = "R")]
    pub(crate) regions: Option<usize>,
    /// On how many links each region's nodes are; multicast stays on one
    #[arg(
        long,
        env = "ZEROCACHE_SEGMENTS",
        value_name = "N",
        default_value = "1"
    )]
    pub(crate) segments: usize,
    /// How many nodes all others are given by --peer
    #[arg(long, env = "ZEROCACHE_SEEDS", value_name = "N", default_value = "2")]
    pub(crate) seeds: usize,
    /// How much is lost, such as 2%; datagrams for good, of connections what is sent again
    #[arg(long, env = "ZEROCACHE_LOSS", value_name = "P", default_value = "0", value_parser = loss)]
    pub(crate) loss: u64,
    /// The mean time one way between two regions, or of a pair such as 0-2=80ms. Can be repeated; in
    /// the variable, commas divide
    #[arg(
        long,
        env = "ZEROCACHE_LATENCY",
        value_name = "TIME",
        value_delimiter = ',',
        default_value = "40ms"
    )]
    pub(crate) latency: Vec<Distance>,
    /// The mean time one way between two links of a region
    #[arg(long, env = "ZEROCACHE_SITE", value_name = "TIME", default_value = "1ms", value_parser = micros)]
    pub(crate) site: u64,
    /// The mean time one way on a link
    #[arg(long, env = "ZEROCACHE_LAN", value_name = "TIME", default_value = "200us", value_parser = micros)]
    pub(crate) lan: u64,
    /// How times are spread about their mean
    #[arg(long, env = "ZEROCACHE_LAW", default_value = "uniform")]
    pub(crate) law: Law,
    /// Who is cut off, and for how many seconds: none, node, region or half, such as region:30
    /// [default: region:30, region:10 above 500 nodes]
    #[arg(long, env = "ZEROCACHE_PARTITION", value_name = "WHO:SECONDS")]
    pub(crate) partition: Option<Partition>,
    /// PUTs a minute, of all clients together
    #[arg(long, env = "ZEROCACHE_WRITES", value_name = "N", default_value = "60",
        value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) writes: u64,
    /// Bytes of each value
    #[arg(long, env = "ZEROCACHE_VALUE_SIZE", value_name = "SIZE", default_value = "1kB",
        value_parser = value_size)]
    pub(crate) value_size: u32,
    /// For how many simulated seconds nothing is asked, and for how many the clients are at work
    /// [default: 60, 10 above 500 nodes]
    #[arg(long, env = "ZEROCACHE_SECONDS", value_name = "N")]
    pub(crate) seconds: Option<u64>,
    /// What all chance follows from: the same seed, the same figures
    #[arg(long, env = "ZEROCACHE_SEED", value_name = "N", default_value = "1")]
    pub(crate) seed: u64,
}

/// How times are spread about their mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Law {
    /// Not at all
    Constant,
    /// Up to half more or less
    Uniform,
    /// Half of it, and the rest exponentially
    Exponential,
}

impl Law {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Uniform => "uniform",
            Self::Exponential => "exponential",
        }
    }
}

impl From<Law> for scale::Law {
    fn from(law: Law) -> Self {
        match law {
            Law::Constant => Self::Constant,
            Law::Uniform => Self::Uniform,
            Law::Exponential => Self::Exponential,
        }
    }
}

impl From<scale::Law> for Law {
    fn from(law: scale::Law) -> Self {
        match law {
            scale::Law::Constant => Self::Constant,
            scale::Law::Uniform => Self::Uniform,
            scale::Law::Exponential => Self::Exponential,
        }
    }
}

/// A distance: of two regions, or of any two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Distance {
    regions: Option<(usize, usize)>,
    pub(crate) us: u64,
}

impl Distance {
    pub(crate) fn pair(&self) -> Option<Pair> {
        let us = self.us;
        self.regions.map(|regions| Pair { regions, us })
    }
}

impl FromStr for Distance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((pair, time)) = text.split_once('=') else {
            let us = micros(text)?;
            return Ok(Self { regions: None, us });
        };
        let wrong = || "a pair of regions is such as 0-2=80ms, by their numbers".to_owned();
        let (one, other) = pair.split_once('-').ok_or_else(wrong)?;
        let one: usize = one.parse().map_err(|_| wrong())?;
        let other: usize = other.parse().map_err(|_| wrong())?;
        if one == other {
            return Err(wrong());
        }
        Ok(Self {
            regions: Some((one.min(other), one.max(other))),
            us: micros(time)?,
        })
    }
}

fn nodes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(nodes @ 1..=scale::MAX_NODES) => Ok(nodes),
        _ => Err(format!("1 to {}", scale::MAX_NODES)),
    }
}

/// A time of up to ten seconds, in microseconds.
fn micros(text: &str) -> Result<u64, String> {
    let wrong = || "a time up to 10s, such as 200us, 40ms".to_owned();
    let time = humantime::parse_duration(text).map_err(|_| wrong())?;
    if time > Duration::from_secs(10) {
        return Err(wrong());
    }
    u64::try_from(time.as_micros()).map_err(|_| wrong())
}

/// A share up to a half, in thousandths: `2%`, `0.5%`, `0.02`.
fn loss(text: &str) -> Result<u64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    match share {
        Ok(share) if (0.0..=0.5).contains(&share) => Ok((share * 1_000.0).round() as u64),
        _ => Err("a share up to a half, such as 2% or 0.02".to_owned()),
    }
}

fn value_size(text: &str) -> Result<u32, String> {
    let size = text.parse::<bytesize::ByteSize>().map(|size| size.as_u64());
    match size.map(u32::try_from) {
        Ok(Ok(size @ 1..=16_777_216)) => Ok(size),
        _ => Err("1B to 16MiB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_shares_are_read() {
        let plain = Distance {
            regions: None,
            us: 40_000,
        };
        assert_eq!("40ms".parse(), Ok(plain));
        let pair = Distance {
            regions: Some((0, 2)),
            us: 80_000,
        };
        assert_eq!("2-0=80ms".parse(), Ok(pair));
        for wrong in ["", "0-0=1ms", "0-1", "a-b=1ms", "0-1=1h"] {
            assert!(wrong.parse::<Distance>().is_err(), "{wrong}");
        }
        assert_eq!(
            (loss("2%"), loss("0.005"), loss("0")),
            (Ok(20), Ok(5), Ok(0))
        );
        assert!(loss("51%").is_err() && loss("-1%").is_err() && loss("NaN").is_err());
        assert_eq!(value_size("1kB"), Ok(1_000));
        assert!(value_size("0B").is_err() && value_size("17MiB").is_err());
        assert!(nodes("0").is_err() && nodes("20001").is_err());
    }
}
