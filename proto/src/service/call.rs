//! The call itself: one request, answered or turned into what is left to do.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;

use bytes::Bytes;

use super::pages::info;
use super::route::{Known, Refusal, Route};
use super::{Change, Page, Stage, Write};
use crate::cache::{Asked, CacheStats, NewRecord, NewValue, Refused, Shards, Stats};
use crate::cluster::{View, missing};
use crate::http::{Body, ContentType, Method, Query, Request, Responder, Status, Target};
use crate::op::{Ack, Scope};
use crate::{Duration, Instant, NodeId, Now, Region, Version, sync};

/// Longest `Zc-Node` header passed on, in bytes: id, region and port need no more.
const MAX_HELLO: usize = 128;

/// What a call sees beside its request.
#[derive(Debug)]
pub struct Context<'a, S> {
    /// The time.
    pub now: Now,
    /// The cache.
    pub shards: &'a S,
    /// The peers.
    pub view: &'a View,
    /// Where the node is in its life.
    pub stage: Stage,
    /// Which copies a write's answer waits for.
    pub ack: Ack,
    /// Whether the node does not hold yet what others do, so that a key it lacks is looked up.
    pub warming: bool,
}

impl<S> Clone for Context<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Context<'_, S> {}

/// What is left to do after a call.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing: the request is answered.
    Answered,
    /// Copy a write to the peers.
    Spread {
        /// The write.
        write: Write,
        /// The answer to give once enough copies are acknowledged: the responder is deferred.
        /// `None` if the request is answered already.
        reply: Option<Status>,
    },
    /// Render a page and answer with it: the responder is deferred.
    Page(Page),
    /// Tell another node what this one holds, by [`Query::answer`](sync::Query::answer), if it
    /// [has shown](crate::cluster::Cluster::has_shown) that it is one, else 403: the responder is
    /// deferred.
    Sync {
        /// What it asks.
        query: Box<sync::Query>,
        /// What it said of itself, for the cluster to look into if that is news.
        hello: Option<String>,
    },
    /// Look the key up at another node, by [`AntiEntropy::look_up`](sync::AntiEntropy::look_up), and
    /// answer with what [`Lookup::settle`](sync::Lookup::settle) says: the responder is deferred.
    LookUp {
        /// The decoded key.
        key: Box<[u8]>,
    },
    /// Tell the cluster what came with a ping, which is answered.
    Pinged {
        /// What the node that asked said of itself, for
        /// [`handle_hello`](crate::cluster::Cluster::handle_hello).
        hello: Option<String>,
        /// Whom it misses, for [`handle_missing`](crate::cluster::Cluster::handle_missing).
        missing: Box<[NodeId]>,
    },
    /// Answer with the cluster's list of members: the responder is deferred.
    Members {
        /// What the asking node said of itself, to be told the cluster first.
        hello: Option<String>,
    },
}

/// Answers `request`, or says what is left to do for its answer.
///
/// A GET of a key is one access to one shard, and allocates nothing.
#[inline]
pub fn call<S: Shards>(
    cx: Context<'_, S>,
    request: Request<'_>,
    responder: Responder<'_>,
) -> Outcome {
    match Target::plain_key(request.path, cx.view.own.as_str()) {
        Some(key) => record(cx, None, key, request, responder),
        None => call_any(cx, request, responder),
    }
}

/// As [`call`], whatever the path is.
#[inline(never)]
fn call_any<S: Shards>(
    cx: Context<'_, S>,
    request: Request<'_>,
    responder: Responder<'_>,
) -> Outcome {
    let target = match Target::parse(request.path, request.query) {
        Ok(target) => target,
        Err(invalid) => return refuse(responder, invalid.into()),
    };
    let reading = matches!(request.method, Method::Get | Method::Head);
    match Route::of(&target) {
        Ok(Route::Record { region, key }) => {
            let foreign = Some(region).filter(|region| *region != cx.view.own.as_str());
            record(cx, foreign, key, request, responder)
        }
        Ok(Route::Known(_)) if !reading => not_allowed(responder, "GET, HEAD"),
        Ok(Route::Known(known)) => page(cx, known, &request, responder),
        Err(refusal) => refuse(responder, refusal),
    }
}

/// A request for a key, under the own region's path or a `foreign` one's.
#[inline(always)]
fn record<S: Shards>(
    cx: Context<'_, S>,
    foreign: Option<&str>,
    key: &[u8],
    request: Request<'_>,
    responder: Responder<'_>,
) -> Outcome {
    match request.method {
        Method::Get | Method::Head => get(cx, foreign, key, &request, responder),
        Method::Put | Method::Delete => write(cx, foreign, key, request, responder),
        Method::Other => not_allowed(responder, "GET, HEAD, PUT, DELETE"),
    }
}

fn get<S: Shards>(
    cx: Context<'_, S>,
    foreign: Option<&str>,
    key: &[u8],
    request: &Request<'_>,
    responder: Responder<'_>,
) -> Outcome {
    let asked = match foreign {
        None => Asked::OwnRegion,
        Some(_) => Asked::OtherRegion,
    };
    let hash = cx.shards.hash(key);
    cx.shards
        .with(hash, |shard| match shard.get(cx.now, hash, key, asked) {
            Some(hit) => {
                responder.value(hit.value);
                Outcome::Answered
            }
            None if cx.warming => missed(key, request, responder),
            None => {
                responder.status(Status::NotFound);
                Outcome::Answered
            }
        })
}

/// A read of what is not held, at a node that does not hold yet what others do.
#[cold]
fn missed(key: &[u8], request: &Request<'_>, responder: Responder<'_>) -> Outcome {
    // A node wants to know what is here; and `recurse=0` is how to ask for that.
    let of_a_node = request.node.is_some() || request.version.is_some();
    if of_a_node || !Query::parse(request.query).recurse {
        responder.status(Status::NotFound);
        return Outcome::Answered;
    }
    responder.defer();
    Outcome::LookUp { key: key.into() }
}

/// A PUT or DELETE: applied here, and spread if there is anybody to spread it to.
fn write<S: Shards>(
    cx: Context<'_, S>,
    foreign: Option<&str>,
    key: &[u8],
    request: Request<'_>,
    responder: Responder<'_>,
) -> Outcome {
    let other;
    let origin = match foreign {
        None => &cx.view.own,
        Some(name) => {
            other = match origin(cx.view, name) {
                Ok(origin) => origin,
                Err(refusal) => return refuse(responder, refusal),
            };
            &other
        }
    };
    let foreign = foreign.is_some();
    let query = Query::parse(request.query);
    let scope = scope(cx.view, &request, foreign, query.recurse);
    let version = request.version;
    let wanted = scope.local || scope.remote;
    let stored = match request.method {
        Method::Put => put(cx, origin, key, request.body, query.ttl(), version, wanted),
        _ => delete(cx, origin, key, version, foreign),
    };
    let stored = match stored {
        Ok(stored) => stored,
        Err(Refused::TooLarge) => return plain(responder, Status::ContentTooLarge, "too large\n"),
        Err(_) => {
            return plain(
                responder,
                Status::Conflict,
                "version is ahead of the time here\n",
            );
        }
    };
    // A copy that comes again may come because the first one's receiver died over spreading it. One
    // that is older than what is held need go no further.
    if !wanted || !(stored.applied || version == Some(stored.version)) {
        responder.status(stored.status);
        return Outcome::Answered;
    }
    let waits = match cx.ack {
        Ack::None => false,
        Ack::Region => scope.local,
        Ack::All => true,
    };
    let reply = match waits {
        true => {
            responder.defer();
            Some(stored.status)
        }
        false => {
            responder.status(stored.status);
            None
        }
    };
    let write = Write {
        region: origin.clone(),
        key: Bytes::copy_from_slice(key),
        change: stored.change,
        version: stored.version,
        expires: stored.expires,
        scope,
    };
    Outcome::Spread { write, reply }
}

/// A write as it was applied.
struct Stored {
    version: Version,
    applied: bool,
    expires: Instant,
    change: Change,
    status: Status,
}

fn put<S: Shards>(
    cx: Context<'_, S>,
    origin: &Region,
    key: &[u8],
    body: Body<'_>,
    ttl: Duration,
    version: Option<Version>,
    wanted: bool,
) -> Result<Stored, Refused> {
    let value = match (&body, wanted) {
        (_, false) => Bytes::new(),
        (Body::Borrowed(bytes), true) => Bytes::copy_from_slice(bytes),
        (Body::Owned(bytes), true) => bytes.clone(),
    };
    let record = NewRecord {
        value: match body {
            Body::Borrowed(bytes) => NewValue::Copy(bytes),
            Body::Owned(bytes) => NewValue::Shared(bytes),
        },
        ttl,
        origin,
        version,
    };
    let hash = cx.shards.hash(key);
    // What it displaces is dropped here, where the shard is no longer locked.
    let written = cx
        .shards
        .with(hash, |shard| shard.put(cx.now, hash, key, record))?;
    Ok(Stored {
        version: written.version,
        applied: written.applied,
        expires: written.expires,
        change: Change::Put { value },
        status: Status::Ok,
    })
}

fn delete<S: Shards>(
    cx: Context<'_, S>,
    origin: &Region,
    key: &[u8],
    version: Option<Version>,
    foreign: bool,
) -> Result<Stored, Refused> {
    let hash = cx.shards.hash(key);
    let deleted = cx.shards.with(hash, |shard| {
        shard.delete(cx.now, hash, key, origin, version)
    })?;
    Ok(Stored {
        version: deleted.version,
        applied: deleted.applied,
        expires: deleted.expires,
        change: Change::Delete,
        status: match deleted.held || foreign {
            true => Status::Ok,
            false => Status::NotFound,
        },
    })
}

/// The other region called `name`, without an allocation if it is a known one.
fn origin(view: &View, name: &str) -> Result<Region, Refusal> {
    let mut known = view.regions.iter().map(|region| &region.name);
    match known.find(|region| region.as_str() == name) {
        Some(region) => Ok(region.clone()),
        None => Region::new(name).map_err(|_| Refusal::REGION),
    }
}

/// Who gets copies of a write from here, as far as there is anybody.
fn scope(view: &View, request: &Request<'_>, foreign: bool, recurse: bool) -> Scope {
    let copied = request.version.is_some();
    // A stock node hands its region's writes to other regions with no query at all; a client whose
    // own region is down says at least how long its value is to live.
    let handed_over = foreign && request.query.is_none_or(<[u8]>::is_empty);
    let everywhere = !copied && !handed_over;
    Scope {
        local: recurse && !(view.local.is_empty() && view.absent.is_empty()),
        remote: recurse && everywhere && !view.regions.is_empty(),
    }
}

fn page<S: Shards>(
    cx: Context<'_, S>,
    known: Known,
    request: &Request<'_>,
    responder: Responder<'_>,
) -> Outcome {
    match known {
        // Who has heard its goodbye, and then a request of before it, would take it up again.
        Known::Ping if cx.stage == Stage::Leaving => {
            plain(responder, Status::Unavailable, cx.stage.as_str())
        }
        // Stock's body, to the byte.
        Known::Ping => {
            let missing = request.query.map(missing).unwrap_or_default();
            let hello = hello(request);
            match plain(responder, Status::Ok, "pong") {
                Outcome::Answered if hello.is_some() || !missing.is_empty() => Outcome::Pinged {
                    hello,
                    missing: missing.into(),
                },
                outcome => outcome,
            }
        }
        Known::LocalInfo => cache_info(cx, responder, |stats| stats.local),
        Known::RemoteInfo => cache_info(cx, responder, |stats| stats.remote),
        Known::Health => plain(responder, Status::Ok, "ok\n"),
        Known::Ready if cx.stage == Stage::Ready => plain(responder, Status::Ok, "ready\n"),
        Known::Ready => plain(responder, Status::Unavailable, cx.stage.as_str()),
        Known::Page(page) => {
            responder.defer();
            Outcome::Page(page)
        }
        Known::Digest => {
            let query = sync::Query::digest(request.query.unwrap_or_default());
            compare(Some(query), request, responder)
        }
        Known::Records => {
            let query = request.query.and_then(sync::Query::records);
            compare(query, request, responder)
        }
        Known::Members => {
            responder.defer();
            Outcome::Members {
                hello: hello(request),
            }
        }
    }
}

/// What the node that asks says of itself.
fn hello(request: &Request<'_>) -> Option<String> {
    let hello = request.node.filter(|hello| hello.len() <= MAX_HELLO)?;
    core::str::from_utf8(hello).ok().map(ToOwned::to_owned)
}

/// A question of a node that compares what it holds with what is held here.
fn compare(query: Option<sync::Query>, request: &Request<'_>, responder: Responder<'_>) -> Outcome {
    // What a browser can be made to ask by a page from elsewhere has no such header.
    if request.node.is_none() {
        return plain(
            responder,
            Status::Forbidden,
            "for nodes, which say who they are\n",
        );
    }
    match query {
        Some(query) => {
            responder.defer();
            // Boxed, or it would make every outcome twice as large.
            Outcome::Sync {
                query: Box::new(query),
                hello: hello(request),
            }
        }
        None => plain(responder, Status::BadRequest, "no such question\n"),
    }
}

fn cache_info<S: Shards>(
    cx: Context<'_, S>,
    responder: Responder<'_>,
    which: fn(Stats) -> CacheStats,
) -> Outcome {
    let mut stats = Stats::default();
    cx.shards.for_each(|shard| stats += shard.stats(cx.now));
    let text = info(&which(stats));
    responder.page(Status::Ok, ContentType::Json, text.as_bytes());
    Outcome::Answered
}

fn refuse(responder: Responder<'_>, refusal: Refusal) -> Outcome {
    plain(responder, refusal.status, refusal.reason)
}

fn plain(responder: Responder<'_>, status: Status, text: &str) -> Outcome {
    responder.page(status, ContentType::Text, text.as_bytes());
    Outcome::Answered
}

fn not_allowed(responder: Responder<'_>, methods: &'static str) -> Outcome {
    responder.not_allowed(methods);
    Outcome::Answered
}
