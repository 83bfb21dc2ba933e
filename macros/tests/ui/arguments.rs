#[zerocache::cached]
async fn no_region() {}

#[zerocache::cached(ttl = 60)]
async fn no_region_but_ttl() {}

#[zerocache::cached("london")]
async fn no_name() {}

#[zerocache::auto_zerocache]
async fn no_short_region() {}

#[zerocache::auto_zerocache(region = "london")]
async fn name_in_short() {}

#[zerocache::auto_zerocache("london", 60, 60)]
async fn too_many() {}

#[zerocache::cached(region = "london", expiry = 60)]
async fn unknown() {}

#[zerocache::cached(region = "london", ttl = 1, ttl = 2)]
async fn twice() {}

#[zerocache::cached(region = 7)]
async fn region_is_a_number() {}

#[zerocache::cached(region = "new york")]
async fn region_with_a_space() {}

#[zerocache::auto_zerocache("london", "60")]
async fn ttl_is_a_string() {}

#[zerocache::auto_zerocache("london", -1)]
async fn ttl_is_negative() {}

fn main() {}
