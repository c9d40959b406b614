--
-- What a town may know of its portal as a whole: counts, never a person.  A
-- template cannot reckon, so the places in the charts are made here.
--

set search_path = portal, pg_temp;


-- what the agent sees, all at once ----------------------------------------------

-- these stand in "from", where the planner sees into them: in a list of "select" each
-- would be a call that keeps all its rows, for 90,000 children four times as long

create or replace function my_children() returns setof bigint
    language sql stable
begin atomic
    -- what is the same for each row is asked once; of nearly all children this
    -- year's school is known, and no other row is looked at
    select s.child_id
      from schooling s
     where s.name in (select unnest(my_schools()))
       and case when s.year >= (select school_year()) then true
                else not exists (select
                                   from schooling l
                                  where l.child_id = s.child_id
                                    and l.year > s.year) end;
end;

comment on function my_children() is
    'The children of my_schools(), all at once: for what is counted, where in_schools() for each would take too long.';


create or replace function my_families() returns setof bigint
    language sql stable
begin atomic
    select m.family_id
      from child_family m
     where m.child_id in (select x from my_children() x);
end;

comment on function my_families() is 'The families of my_children().';


create or replace function my_requests_seen() returns setof change_set
    language sql stable
begin atomic
    select c.*
      from change_set c
     where ((select my_sections()) is null or c.section = any ((select my_sections())::text[]))
       and ((select my_schools()) is null
            or case when c.child_id is not null then c.child_id in (select x from my_children() x)
                    else c.family_id in (select x from my_families() x) end);
end;

comment on function my_requests_seen() is
    'The requests that agent_sees() says yes to, for what counts them: one query with what is around it.';


-- charts ------------------------------------------------------------------

create or replace function chart(p_name text, p_rows jsonb, p_most bigint, p_above boolean)
    returns jsonb
    language plpgsql immutable set search_path = portal, pg_temp as $$
declare
    -- in units of the drawing, 360 wide: a telephone shows it as it is
    v_from   int := case when p_above then 0 else 104 end;
    v_wide   int := 360 - v_from - 52;
    v_most   bigint := greatest(p_most, 1);
    v_y      int := 0;
    v_row    jsonb;
    v_n      bigint;
    v_width  bigint;
    v_i      int;
    v_bars   jsonb;
    v_rows   jsonb := '[]';
begin
    for v_row in select x from jsonb_array_elements(p_rows) x loop
        v_bars := '[]';
        v_row := v_row || jsonb_build_object('label_y', v_y + 15);
        v_y := v_y + case when p_above then 22 else 2 end;

        for v_i in 0 .. jsonb_array_length(v_row->'values') - 1 loop
            v_n := (v_row->'values'->>v_i)::bigint;
            -- what is more than nothing is seen; what is not known is as nothing
            v_width := least(v_wide, coalesce(v_n, 0) * v_wide / v_most);
            v_width := greatest(v_width, coalesce((v_n > 0)::int, 0));
            v_bars := v_bars || jsonb_build_object('value', v_n, 'known', v_n is not null,
                'second', v_i = 1, 'x', v_from, 'y', v_y + 2, 'width', v_width,
                'text_x', v_from + v_width + 6, 'text_y', v_y + 14);
            v_y := v_y + 18;
        end loop;

        v_y := v_y + 6;
        v_rows := v_rows || (v_row - 'values' || jsonb_build_object('bars', v_bars));
    end loop;

    return jsonb_build_object('name', p_name, 'height', v_y, 'rows', v_rows);
end
$$;

comment on function chart(text, jsonb, bigint, boolean) is
'Rows of numbers as a chart of bars that lie: 360 wide, each bar with its place, all integers. Input: its name; rows, each with "values" (one or two numbers, null: not known) beside what it is called by; the number that is as long as a bar can be; whether what a row is called stands above its bars, not beside. Result: {"name", "height", "rows": [the row, with "label_y" and for "values" "bars": [{"value", "known", "second", "x", "y", "width", "text_x", "text_y"}]]}.';


create or replace function month_starts() returns timestamptz[]
    language sql stable
    return array(select (m at time zone 'Europe/Paris')
                   from generate_series(date_trunc('month', today()::timestamp)
                                            - interval '11 months',
                                        date_trunc('month', today()::timestamp),
                                        interval '1 month') m
                  order by m);

comment on function month_starts() is
    'When the last 12 months began in the town, this one too.';


create or replace function month_row(p_n int, p_keep int) returns jsonb
    language sql stable
    return (select jsonb_build_object('month', to_char(d, 'MM'),
                       'year', extract(year from d)::int,
                       'kept', (d + interval '1 month')::date > today() - p_keep)
              from (select date_trunc('month', today()::timestamp)
                               - make_interval(months => 12 - p_n)) x (d));

comment on function month_row(int, int) is
    'What a month is called by. Input: which of the last 12, 1 to 12; days that what is counted is kept. Result: {"month": 01 to 12, "year", "kept": something of it may still be there}.';


-- what is counted -----------------------------------------------------------

create or replace function decided_charts(p_starts timestamptz[], p_keep int) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_delay  jsonb;
    v_share  jsonb;
    v_most   bigint;
begin
    -- what a town lets count at once was no validation
    select jsonb_agg(m.row || jsonb_build_object('decided', case when m.kept then coalesce(d.decided, 0) end,
               'values', jsonb_build_array(d.median, d.ninety)) order by n),
           jsonb_agg(m.row || jsonb_build_object('decided', case when m.kept then coalesce(d.decided, 0) end,
               'refused', coalesce(d.refused, 0), 'partly', coalesce(d.partly, 0),
               'values', jsonb_build_array(round(d.refused * 100.0 / d.decided)))
               order by n),
           max(d.ninety)
      into v_delay, v_share, v_most
      from (select n, r as row, (r->>'kept')::boolean as kept
              from generate_series(1, 12) n, month_row(n, p_keep) r) m
      left join (
            select x.n, count(*) as decided,
                   count(*) filter (where x.state = 'refused') as refused,
                   count(*) filter (where x.state = 'partly') as partly,
                   percentile_disc(0.5) within group (order by x.days) as median,
                   percentile_disc(0.9) within group (order by x.days) as ninety
              from (select width_bucket(c.decided_at, p_starts) as n, c.state,
                           day_of(c.decided_at) - day_of(c.created_at) as days
                      from my_requests_seen() c
                     where c.state in ('accepted', 'partly', 'refused')
                       and c.updated_at >= p_starts[1]
                       and c.decided_at >= p_starts[1]
                       and c.decided_by is not null) x
             group by x.n) d using (n);

    return jsonb_build_object('delay', chart('delai', v_delay, v_most, false),
                              'share', chart('refus', v_share, 100, false) || '{"percent": true}');
end
$$;

comment on function decided_charts(timestamptz[], int) is
'How long agents'' decisions took, in days, and how many said no, by month. Input: month_starts(); days that requests are kept. Result: {"delay": chart() of the median and what 9 of 10 took at most, rows with "decided"; "share": chart() of the percent refused, rows with "decided", "refused", "partly"}.';


create or replace function reasons_chart(p_starts timestamptz[], p_lang text) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_rows  jsonb;
    v_most  bigint;
begin
    with given as (
        -- no ready words, or such as the town has no more: the agent's own
        select ready_words(x.code, p_lang) as words, sum(x.n) as n
          from (select c.reason_code as code, count(*) as n
                  from my_requests_seen() c
                 where c.state in ('partly', 'refused')
                   and c.updated_at >= p_starts[1]
                   and c.decided_at >= p_starts[1]
                   and c.decided_by is not null
                   and (c.reason_code is not null or c.reason is not null)
                 group by c.reason_code) x
         group by 1
    ), told as (
        select case when g.n >= 5 then g.words end as words, g.n < 5 as few, sum(g.n) as n
          from given g
         group by 1, 2
    )
    select jsonb_agg(jsonb_build_object('reason', t.words,
               'short', case when length(t.words) > 46 then left(t.words, 45) || '…'
                             else t.words end,
               'few', t.few, 'own', t.words is null and not t.few,
               'values', jsonb_build_array(t.n)) order by t.few, t.n desc, t.words),
           max(t.n)
      into v_rows, v_most
      from told t;

    return chart('motifs', coalesce(v_rows, '[]'), v_most, true);
end
$$;

comment on function reasons_chart(timestamptz[], text) is
'Why requests were refused, or partly, in the last 12 months, most frequent first; what was said fewer than 5 times stands together. Input: month_starts(), the language of the page. Result: chart(), rows with "reason" (ready words), "short" (their beginning), "own": words of the agents'' own, "few".';


create or replace function linked_chart(p_starts timestamptz[], p_all bigint, p_keep int)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    -- a family is linked in a month when it is at its end, or now
    v_ends  timestamptz[] := p_starts[2:12] || 'infinity'::timestamptz;
    v_rows  jsonb;
begin
    -- a bit for each month, so that two accounts of a family count once
    with linked as materialized (
        select bit_or((1 << width_bucket(coalesce(u.ended_at, 'infinity'), v_ends))
                      - (1 << width_bucket(u.effective_at, v_ends))) as months
          from subscription u
         where u.effective_at <= now()
           and (u.ended_at is null or u.ended_at >= p_starts[1])
           and ((select my_schools()) is null or u.family_id in (select x from my_families() x))
         group by u.family_id
    )
    -- of a month from whose end on something may be erased there is the number that
    -- was kept, of all families; of some schools' alone nobody knows any more
    select jsonb_agg(month_row(n, 366) || jsonb_build_object('values', jsonb_build_array(
               case when n = 12 or p_starts[n + 1] > now() - make_interval(days => p_keep)
                    then (select count(*) from linked l where (l.months >> (n - 1)) & 1 = 1)
                    when my_schools() is null
                    then (select f.linked from month_figure f
                           where f.month = (p_starts[n] at time zone 'Europe/Paris')::date) end))
               order by n)
      into v_rows
      from generate_series(1, 12) n;

    return chart('abonnees', v_rows, p_all, false);
end
$$;

comment on function linked_chart(timestamptz[], bigint, int) is
'How many families had an account connected, at the end of each month. Input: month_starts(), how many families there are, days that what has ended is kept. Result: chart(), its longest bar is all families; null: not known any more.';


create or replace function attempts_charts(p_starts timestamptz[], p_keep int) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_codes   jsonb;
    v_logins  jsonb;
    v_most    bigint[];
begin
    select jsonb_agg(m.row || jsonb_build_object('values', jsonb_build_array(
               case when m.kept then coalesce(c.n, 0) end)) order by m.n),
           jsonb_agg(m.row || jsonb_build_object('values', jsonb_build_array(
               case when m.kept then coalesce(l.families, 0) end,
               case when m.kept then coalesce(l.agents, 0) end)) order by m.n),
           array[max(c.n), greatest(max(l.families), max(l.agents))]
      into v_codes, v_logins, v_most
      from (select n, r as row, (r->>'kept')::boolean as kept
              from generate_series(1, 12) n, month_row(n, p_keep) r) m
      left join (
            select width_bucket(a.at, p_starts) as month, count(*) as n
              from audit a
             where a.action = 'subscribe'
               and a.outcome in ('code_refused', 'too_many')
               and a.at >= p_starts[1]
             group by 1) c on c.month = m.n
      left join (
            select width_bucket(a.at, p_starts) as month,
                   count(*) filter (where a.action = 'sign_in') as families,
                   count(*) filter (where a.action = 'agent_sign_in') as agents
              from audit a
             where a.action in ('sign_in', 'agent_sign_in')
               and a.outcome = 'failed'
               and a.at >= p_starts[1]
             group by 1) l on l.month = m.n;

    return jsonb_build_object('codes', chart('codes', v_codes, v_most[1], false),
                              'logins', chart('connexions', v_logins, v_most[2], false));
end
$$;

comment on function attempts_charts(timestamptz[], int) is
'Codes abonné and log-ins that were refused, by month. Input: month_starts(); days that the audit is kept. Result: {"codes": chart(), "logins": chart(), of families and of agents}.';


create or replace function waiting_chart() returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_groups  text[] := array['days_30', 'days_20', 'days_10', 'days_5', 'days_2', 'day'];
    -- moments, not days: no request's time is turned into the town's
    v_starts  timestamptz[] := array(select (today() - d)::timestamp at time zone 'Europe/Paris'
                                       from unnest('{29,19,9,4,1}'::int[]) d
                                      order by d desc);
    v_rows    jsonb;
    v_late    bigint;
    v_most    bigint;
begin
    select jsonb_agg(jsonb_build_object('age_group', g.name,
               'values', jsonb_build_array(coalesce(w.waiting, 0))) order by n desc),
           coalesce(sum(w.late), 0), max(w.waiting)
      into v_rows, v_late, v_most
      from unnest(v_groups) with ordinality g (name, n)
      left join (select width_bucket(c.created_at, v_starts) + 1 as n,
                        count(*) as waiting,
                        count(*) filter (where c.due_on < today()) as late
                   from my_requests_seen() c
                  where c.state in ('sent', 'taken')
                  group by 1) w using (n);

    return chart('attente', v_rows, v_most, false) || jsonb_build_object('late', v_late,
        'incomplete', (select count(*) from my_requests_seen() c
                        where c.state = 'incomplete'));
end
$$;

comment on function waiting_chart() is
'Requests that wait for an agent, by how many days they have. Result: chart(), rows with "age_group" (day, days_2, days_5, days_10, days_20, days_30: from so many days on), "late": past the town''s delay, "incomplete": those that wait for the family.';


create or replace function verified_chart() returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_rows     jsonb;
    v_schools  text[] := my_schools();
begin
    with rule as materialized (
        select r.section, r.since, r.by_all, 1 << row_number() over ()::int as bit,
               r.section = 'child_authorisations' as answers
          from verification_rules() r
         where r.section like 'child%'
    ), given as not materialized (
        select g.child_id, g.by_guardian, r.bit, r.by_all
          from verification g
          join rule r on r.section = g.section and g.verified_on >= r.since
         where g.child_id is not null
           and (v_schools is null or g.child_id in (select x from my_children() x))
    ), connected as (
        -- see may_answer()
        select distinct m.child_id, w.id as guardian_id, w.authority is not false as answers
          from child_family m
          join subscription u on u.tenant = m.tenant and u.family_id = m.family_id
                             and u.ended_at is null
          join guardian w on w.tenant = u.tenant and w.id = u.guardian_id
         where exists (select from rule r where r.by_all)
    ), done as (
        select g.child_id, bit_or(g.bit) as bits
          from (select n.child_id, n.bit from given n where not n.by_all
                 union all
                -- each who is connected; who is no more counts for nobody
                select k.child_id, r.bit
                  from connected k
                  join rule r on r.by_all and (k.answers or not r.answers)
                  left join given n on n.child_id = k.child_id and n.bit = r.bit
                                   and n.by_guardian = k.guardian_id
                 group by k.child_id, r.bit
                having bool_and(n.child_id is not null)) g
         group by g.child_id
    ), filed as (
        -- a child counts when each of its sections does; not "having" above, or
        -- who plans takes the children for one and looks through all for each
        select s.name, count(*) as children,
               count(*) filter (where d.bits = (select bit_or(r.bit) from rule r)) as verified
          from schooling s
          left join done d on d.child_id = s.child_id
         where s.year = (select school_year())
           and (v_schools is null or s.name = any (v_schools))
         group by s.name
    ), school as (
        select school_named(f.name) as name, sum(f.children)::bigint as children,
               sum(f.verified)::bigint as verified
          from filed f
         group by 1
    )
    select jsonb_agg(jsonb_build_object('school', o.name,
               'short', case when length(o.name) > 46 then left(o.name, 45) || '…'
                             else o.name end,
               'children', o.children, 'verified', o.verified,
               'values', jsonb_build_array(o.verified * 100 / o.children))
               order by fold(o.name), o.name)
      into v_rows
      from school o;

    return chart('verifies', coalesce(v_rows, '[]'), 100, true) || '{"percent": true}';
end
$$;

comment on function verified_chart() is
    'Of how many children of a school all that the town has verified is, see verification_rules(): where each guardian has to, by all who are connected. Result: chart() of the percent, rows with "school", "short" (its beginning), "children", "verified".';


create or replace function statistics(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_town    town;
    v_starts  timestamptz[] := month_starts();
    v_all     bigint;
    v_linked  jsonb;
    v_now     bigint;
begin
    perform require_agent();

    select t.* into strict v_town from town t where t.id = here();
    select count(*) into v_all
      from family f
     where (select my_schools()) is null or f.id in (select x from my_families() x);
    v_linked := linked_chart(v_starts, v_all, v_town.keep_closed);
    v_now := (v_linked #>> '{rows,11,bars,0,value}')::bigint;

    return jsonb_build_object('status', 200, 'limits', my_limits(),
        'since', day_of(v_starts[1]), 'days', v_town.validation_days,
        'families', v_all, 'families_linked', v_now,
        'percent_linked', round(v_now * 100.0 / nullif(v_all, 0)),
        'waiting', waiting_chart(), 'linked', v_linked, 'verified', verified_chart(),
        'reasons', reasons_chart(v_starts, input->'_'->>'lang'))
        || decided_charts(v_starts, v_town.keep_request)
        -- what is refused at the door is of no school and no section
        || case when my_schools() is null and my_sections() is null
                then attempts_charts(v_starts, v_town.keep_audit)
                else '{"codes": null, "logins": null}' end;
end
$$;

comment on function statistics(jsonb) is
'The portal in numbers, of the last 12 months; counts, never a name. Result: {"status": 200, "limits": my_limits(), "since": day that the first month began, "days": the town''s delay, "families", "families_linked", "percent_linked", "waiting": waiting_chart(), "delay", "share": decided_charts(), "reasons": reasons_chart(), "linked": linked_chart(), "verified": verified_chart(), "codes", "logins": attempts_charts(), null for who does not see all}; of what the agent sees. For agents.';


grant execute on function statistics(jsonb) to portal_web;
