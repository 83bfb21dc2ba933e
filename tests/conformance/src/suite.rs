//! Which cases there are, and on which hosts: one test for each of both.

use crate::host::{
    AsyncStd, DriverFuture, OneThread, SmolThreads, TokioAlone, TokioThreads, run_case,
};
use crate::wire::play;

/// The tests of the API on one host.
macro_rules! api {
    ($host:ty) => {
        api!($host, spread:
            a_write_through_any_node_is_read_at_every_node,
            a_write_reaches_every_region_and_is_deleted_in_all,
            copies_keep_the_writers_expiry,
            peers_that_stall_reset_or_talk_nonsense_disturb_nobody,
            a_put_succeeds_though_every_peer_has_gone_without_a_word,
            a_peer_that_stalls_fails_no_write,
            copies_reach_a_peer_whatever_it_does_with_its_connections,
            a_nodes_first_words_to_a_static_peer_tell_of_the_node,
        );
        api!($host, life:
            a_killed_node_fails_no_write_and_no_read,
            a_relaunched_node_is_the_same_one_and_gets_what_it_missed,
            a_relaunched_node_has_what_its_peers_hold_again,
            a_node_that_does_not_hold_all_yet_asks_for_what_it_misses,
            a_goodbye_is_final,
            a_node_dropped_leaves_too,
            a_taken_port_is_an_error_and_announces_nothing,
        );
        api!($host, ladder:
            a_miss_goes_down_the_ladder_to_another_region,
            a_region_without_nodes_is_served_by_the_others,
            a_node_that_stalls_costs_a_rung_and_no_more,
            what_can_not_be_done_is_said_with_every_attempt,
            values_of_any_size_come_back_as_they_went,
        );
        api!($host, insert:
            what_is_made_once_is_looked_up_then,
            an_error_is_the_callers_and_is_not_stored,
            of_many_callers_one_makes_it,
            when_the_one_that_makes_it_goes_another_does,
            with_no_node_it_is_made_each_time,
            a_node_that_goes_fails_no_one,
        );
        api!($host, cancel:
            an_operation_dropped_at_any_await_harms_no_other,
            many_at_once_dropped_half_way_leave_room_for_others,
            waiting_and_leaving_can_be_given_up,
        );
        api!($host, limits:
            one_connection_too_many_takes_the_place_of_the_longest_idle,
            where_all_are_busy_one_more_is_told_so,
            bodies_in_flight_are_bounded_together,
            a_node_holds_less_as_soon_as_it_is_told_to,
        );
    };
    ($host:ty, $group:ident: $($case:ident,)*) => {
        mod $group {
            use super::*;
            $(#[test]
            fn $case() {
                run_case::<$host, _>(crate::api::$group::$case);
            })*
        }
    };
}

/// What a runtime has to bear.
macro_rules! load {
    ($host:ty) => {
        api!($host, load:
            a_thousand_unfinished_requests_take_bounded_memory_and_hold_up_no_get,
            values_that_leave_slowly_hold_up_no_get,
            a_flood_of_one_connection_holds_up_no_other,
        );
    };
}

/// The scripts, handed to the macro that makes tests of them.
macro_rules! scripts {
    ($each:ident: $($to:tt)*) => {
        $each! {
            $($to)*
            semantics:
                a_value_is_stored_read_and_deleted,
                a_put_replaces_what_was_there,
                an_empty_value_is_a_hit,
                a_put_that_says_no_length_stores_an_empty_value,
                head_answers_without_the_body,
                another_regions_value_is_that_regions,
                the_own_regions_delete_is_for_what_others_wrote_too,
                the_newest_value_wins_whoever_wrote_it,
                a_life_of_any_spelling_is_taken,
                a_query_of_any_kind_is_taken,
                the_pages_are_there,
                our_own_pages_are_there,
                other_methods_are_told_which_there_are,;
            paths:
                an_escape_and_what_it_stands_for_are_one_key,
                an_escape_is_decoded_once,
                a_plus_is_a_plus,
                signs_are_bytes_of_a_key,
                an_escaped_slash_is_a_byte_of_a_key,
                bytes_beyond_ascii_are_the_key,
                a_broken_escape_is_told,
                paths_that_name_no_key_are_not_found,
                a_key_is_one_whatever_the_region_of_the_path,
                a_key_too_long_is_told,
                a_target_too_long_is_told,;
            bodies:
                chunks_make_one_value,
                no_chunks_make_an_empty_value,
                chunks_may_have_extensions_and_trailers,
                a_chunk_of_no_size_is_refused,
                a_chunk_longer_than_it_said_is_refused,
                a_chunk_size_beyond_all_bounds_is_refused,
                both_lengths_are_refused,
                two_lengths_are_refused,
                a_length_that_is_no_number_is_refused,
                a_value_too_large_is_refused_unread,
                a_chunk_too_large_is_refused_unread,
                who_expects_to_be_told_to_go_on_is_served,
                who_expects_too_much_is_told_in_advance,
                who_expects_something_else_is_told,
                a_body_of_a_get_is_read_and_ignored,;
            framing:
                many_requests_are_answered_in_order,
                empty_lines_before_a_request_are_ignored,
                a_connection_ends_when_asked_to,
                names_of_fields_are_of_any_case,
                http_1_0_closes,
                http_1_0_needs_no_fields,
                http_1_0_is_kept_alive_when_it_asks,
                what_follows_the_last_request_is_not_answered,
                a_bare_line_feed_is_refused,
                a_folded_field_is_refused,
                a_nul_is_refused,
                a_space_before_the_colon_is_refused,
                tls_is_refused,
                http_2_is_told_what_there_is,
                more_fields_than_fit_are_refused,
                a_head_too_long_is_refused,;
        }
    };
}

/// The scripts, played in every way to one server.
macro_rules! played {
    ($server:ty, $($group:ident: $($case:ident,)*;)*) => {
        $(mod $group {
            use super::*;
            $(#[test]
            fn $case() {
                play::<$server>(&crate::wire::$group::$case());
            })*
        })*
    };
}

/// Peers that are no script.
macro_rules! peers {
    ($server:ty: $($case:ident,)*) => {
        $(#[test]
        fn $case() {
            crate::wire::peers::$case::<$server>();
        })*
    };
}

/// The case table, a family a test.
macro_rules! table {
    ($server:ty: $($family:ident,)*) => {
        mod table {
            use super::*;
            $(#[test]
            fn $family() {
                crate::wire::table::play_family::<$server>(stringify!($family));
            })*
        }
    };
}

/// The wire cases on one server.
macro_rules! wire {
    ($server:ty) => {
        scripts!(played: $server,);
        table!($server: cl, te, chunk, header, line, version, target, method, conn, pipe,);
        mod peers {
            use super::*;
            peers!($server:
                a_request_broken_off_is_not_carried_out,
                a_reset_at_any_byte_disturbs_nobody,
                who_is_to_wait_for_the_go_ahead_gets_it,
                who_does_not_read_is_not_read_from_and_gets_all_later,
            );
        }
    };
}

/// Those that need deadlines short enough to be waited for.
macro_rules! deadlines {
    ($server:ty) => {
        mod deadlines {
            use super::*;
            peers!($server:
                deadlines_are_total_however_the_bytes_drip,
                who_says_nothing_is_left_without_a_word,
            );
        }
    };
}

/// What a runtime must leave alone.
macro_rules! isolation {
    ($host:ty) => {
        isolation!($host:
            the_runtime_may_go_before_node_and_client,
            operations_under_way_end_when_the_runtime_goes,
            no_thread_is_anybody_elses,
        );
    };
    ($host:ty: $($case:ident,)*) => {
        mod isolation {
            use super::*;
            $(#[test]
            fn $case() {
                crate::isolation::$case::<$host>();
            })*
        }
    };
}

/// All tests of a runtime.
macro_rules! host {
    ($name:ident: $host:ty) => {
        mod $name {
            use super::*;
            api!($host);
            load!($host);
            wire!($host);
            deadlines!($host);
            isolation!($host);
        }
    };
}

host!(tokio_threads: TokioThreads);
host!(tokio_current_thread: TokioAlone);
host!(smol: SmolThreads);
host!(async_std: AsyncStd);
host!(driver_future: DriverFuture);
host!(blocking: OneThread);

/// No runtime: the example that drives the core by `std::net` and `poll`.
mod std_example {
    use super::*;
    use crate::host::StdExample;
    wire!(StdExample);
}

/// The stock Python node, in a namespace: see `crate::stock`.
#[cfg(feature = "interop")]
mod stock {
    macro_rules! asked {
        ($($group:ident: $($case:ident,)*;)*) => {
            $(mod $group {
                $(#[test]
                #[ignore = "run beside a stock node by the test that starts it"]
                fn $case() {
                    let name = concat!(stringify!($group), "::", stringify!($case));
                    crate::stock::ask(name, &crate::wire::$group::$case());
                })*
            })*
        };
    }
    scripts!(asked:);
}
