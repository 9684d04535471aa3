use super::*;
use crate::fixture::catalog;
use crate::{ScenarioTime, StepTime};

fn selected(text: &str) -> Selector {
    Selector::parse(text, &catalog()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `marked` has the text at fault between `[` and `]`.
#[track_caller]
fn refused(marked: &str, message: &str) {
    let (before, rest) = marked.split_once('[').unwrap();
    let (fault, after) = rest.split_once(']').unwrap();
    let error = Selector::parse(&format!("{before}{fault}{after}"), &catalog()).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert_eq!(error.at, before.len()..before.len() + fault.len(), "{marked}");
}

#[test]
fn a_metric_alone_selects_everything() {
    let selector = selected(" response_time ");
    assert_eq!(selector.metric, Metric::StepTime(StepTime::ResponseTime));
    assert_eq!((selector.steps, selector.scenarios), (vec![0, 1, 2], vec![0, 1]));
    assert_eq!(selected("failed{}").steps, [0, 1, 2]);
    assert_eq!(selected("http_req_duration").metric, Metric::StepTime(StepTime::ServiceTime));
    assert_eq!(selected("vus").metric, Metric::Users);
}

#[test]
fn filters_narrow_to_what_fits_all_of_them() {
    assert_eq!(selected("response_time{scenario:browse}").steps, [0, 1]);
    assert_eq!(selected("response_time{ step : list }").steps, [0, 2]);
    assert_eq!(selected("service_time{scenario:search,step:list}").steps, [2]);
    assert_eq!(selected("response_time{team:shop}").steps, [0, 1]);
    assert_eq!(selected("response_time{region:eu,team:find}").steps, [2]);
    assert_eq!(selected("dispatch_lag{team:find}").scenarios, [1]);
    assert_eq!(selected("checks{check:status is 200}").checks, [0, 1]);
    assert_eq!(selected("checks{check:\"status is 200\",step:order}").checks, [1]);
    assert_eq!(selected("response_time{outcome:ok}").outcomes, Outcomes::Succeeded);
    let iterations = selected("iteration_response_time{outcome:failed,scenario:search}");
    assert_eq!(iterations.metric, Metric::ScenarioTime(ScenarioTime::IterationResponseTime));
    assert_eq!((iterations.outcomes, iterations.scenarios), (Outcomes::Failed, vec![1]));
}

#[test]
fn a_scenario_tag_goes_before_a_run_tag_of_the_same_name() {
    let mut catalog = catalog();
    catalog.tags.insert("team".to_owned(), "all".to_owned());
    catalog.scenarios[1].tags.clear();
    let steps = |text: &str| Selector::parse(text, &catalog).unwrap().steps;
    assert_eq!(steps("failed{team:shop}"), [0, 1]);
    assert_eq!(steps("failed{team:all}"), [2]);
}

#[test]
fn quoted_values_may_hold_signs_of_the_grammar() {
    let mut catalog = catalog();
    catalog.steps[0].name = "a,b}:c".to_owned();
    assert_eq!(Selector::parse("failed{step:\"a,b}:c\"}", &catalog).unwrap().steps, [0]);
}

#[test]
fn wrong_selectors_say_where_and_how_to_mend_them() {
    refused("[]", "a metric is missing; write for example `response_time` or `failed{scenario:browse}`");
    refused("[respnse_time]", "`respnse_time` is not a metric; did you mean `response_time`?");
    refused("[http_req_failled]{a:b}", "`http_req_failled` is not a metric; did you mean `http_req_failed`?");
    refused("failed[{]scenario:browse", "`{` is not closed");
    refused("failed{step:[\"]list}", "`\"` is not closed");
    refused("failed{step:list} [oops]", "nothing may follow the filters, found `oops`");
    refused("failed{[browse]}", "`browse` is not a filter; write for example `scenario:browse`");
    refused("failed{step:list,[]}", "`` is not a filter; write for example `scenario:browse`");
    refused("failed{step:list,[step]:order}", "`step` is given twice; all filters must hold at once");
    refused("failed{scenario:[brwose]}", "no scenario is `brwose`; did you mean `browse`?");
    refused("failed{step:[checkout]}", "no step is `checkout`; there is `list` and `order`");
    refused("failed{team:[sales]}", "no team is `sales`; there is `find` and `shop`");
    refused(
        "failed{[scenaro]:browse}",
        "`scenaro` is not a tag that is known before the run; did you mean `scenario`?",
    );
    refused(
        "failed{[url]:x}",
        "`url` is not a tag that is known before the run; it can be filtered by `scenario`, `step`, `region` and `team`",
    );
    refused(
        "iterations{[step]:list}",
        "`iterations` is not kept apart by `step`; it can be filtered by `scenario`, `outcome`, `region` and `team`",
    );
    refused(
        "failed{[outcome]:ok}",
        "`failed` is not kept apart by `outcome`; it can be filtered by `scenario`, `step`, `region` and `team`",
    );
    refused("vus{[scenario]:browse}", "`vus` is not kept apart by `scenario`; it can be filtered by none");
    refused("requests{outcome:[good]}", "no outcome is `good`; there is `failed` and `ok`");
    refused(
        "failed[{scenario:search,step:order}]",
        "nothing fits all filters at once; there is `browse/list`, `browse/order` and `search/list`",
    );
}

#[test]
fn an_unknown_metric_lists_the_known_ones() {
    let error = Selector::parse("latency", &catalog()).unwrap_err();
    assert!(
        error.to_string().starts_with("`latency` is not a metric; there are `response_time`, `service_time`")
    );
}

#[test]
fn checks_of_a_run_without_checks_select_nothing() {
    let mut catalog = catalog();
    catalog.checks.clear();
    let error = Selector::parse("checks", &catalog).unwrap_err();
    assert_eq!(error.problem, SelectorProblem::NothingSelected("none".to_owned()));
}

#[test]
fn letters_of_any_width_are_no_trouble() {
    for text in [
        "größe",
        "failed{späße:ä}",
        "failed{step:“list”}",
        "failed{ü}",
        "failed{step:ä",
        "{",
        "}",
        "\"",
        "failed}",
    ] {
        let error = Selector::parse(text, &catalog()).unwrap_err();
        assert!(text.get(error.at.clone()).is_some(), "{text}: {:?}", error.at);
    }
}
