#!/usr/bin/perl

# What Prometheus reads: well formed, and the values move as they should, also
# across a reload and the death of a worker.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

my $p = portal(server => gate_only());
my $couple = account(qr/couple/);

# the change of each value that the code causes is at last as given
sub moves {
    my ($name, $want, $code) = @_;

    my $before = metrics();
    $code->();

    my %got;
    my $moved = wait_for(5, sub {
        my $now = metrics();
        %got = map { $_ => ($now->{$_} // 0) - ($before->{$_} // 0) } keys %$want;
        !grep { $got{$_} != $want->{$_} } keys %$want;
    });

    ok($moved, $name) || diag explain { got => \%got, want => $want };
}

sub reach {
    my ($name, $want, $seconds) = @_;

    my %got;
    my $there = wait_for($seconds // 5, sub {
        my $now = metrics();
        %got = map { $_ => $now->{$_} } keys %$want;
        !grep { ($got{$_} // 'none') !~ /^(?:$want->{$_})$/ } keys %$want;
    });

    ok($there, $name) || diag explain { got => \%got, want => $want };
}

sub requests {
    my ($audience, $class, $town) = @_;

    $town //= 'saint-aubin';

    return qq(portal_http_requests_total{town="$town",audience="$audience",class="$class"});
}

sub calls {
    my ($outcome) = @_;

    return qq(portal_database_calls_total{pool="pages",outcome="$outcome"});
}


### the format

my $page = monitor('/_mesures');
is $page->status, 200, 'here they are';
is $page->header('content-type'), 'text/plain; version=0.0.4; charset=utf-8', 'of that version';
is $page->header('cache-control'), 'no-store', 'not kept';

my (%help, %type, %seen, @bad, $family);
for (split /\n/, $page->content) {
    if (/^# HELP (\w+) (\S.*\.)$/) {
        push @bad, "twice: $_" if $help{$1}++;
        $family = $1;
    } elsif (/^# TYPE (\w+) (counter|gauge|histogram|summary)$/) {
        push @bad, "out of place: $_" if $1 ne $family || $type{$1};
        $type{$1} = $2;
        push @bad, "name: $_" if ($2 eq 'counter') != ($1 =~ /_total$/ ? 1 : 0);
    } elsif (/^(\w+?)((?:_bucket|_sum|_count)?)((?:\{\w+="[^"\\]*"(?:,\w+="[^"\\]*")*\})?) (\d+(?:\.\d+)?)$/) {
        push @bad, "of another family: $_" if $1 ne $family && "$1$2" ne $family;
        push @bad, "twice: $_" if $seen{"$1$2$3"}++;
    } else {
        push @bad, $_;
    }
}
is_deeply \@bad, [], 'well formed' or diag join "\n", @bad;
is_deeply [grep { !$type{$_} } keys %help], [], 'each with its type';
cmp_ok scalar(keys %help), '>', 30, scalar(keys %help) . ' families';

for my $histogram (grep { $type{$_} eq 'histogram' } keys %type) {
    my @buckets = $page->content =~ /^${histogram}_bucket\{.*\} (\d+)$/mg;
    is_deeply [sort { $a <=> $b } @buckets], \@buckets, "$histogram: cumulative";
    like $page->content, qr/^${histogram}_count $buckets[-1]$/m, 'up to the count';
}

# each of them is explained
{
    my $docs = Portal::Place::slurp(top() . '/docs/operating.md') // '';
    is_deeply [grep { $docs !~ /`$_`/ } sort keys %help], [], 'in docs/operating.md';
}

is monitor('/_mesures', source => '127.0.5.1')->status, 403, 'not for others';
is monitor('/_mesures', method => 'POST')->status, 405, 'only to be read';
is monitor('/_mesures', method => 'HEAD')->content, '', 'HEAD';
is client()->get('/_mesures')->status, 404, "not under a town's name";


### requests and sessions

my $in = signed_in($couple);
ok tracked(), 'the workers hear from Redis';
$in->get('/famille') for 1 .. 4;

moves('pages of the family, from shared memory', {
    requests('family', '2xx') => 5, 'portal_session_hits_total' => 5,
    'portal_session_misses_total' => 0, calls('ok') => 5,
    'portal_render_seconds_count' => 5, 'portal_database_wait_seconds_count' => 5,
    'portal_database_call_duration_seconds_count' => 5,
    requests('family', '2xx', 'beaulieu') => 0,
}, sub { $in->get('/famille') for 1 .. 5 });

moves('a session that shared memory has not', {
    'portal_session_hits_total' => 0, 'portal_session_misses_total' => 1,
    'portal_session_reserved_total' => 1, requests('citizen', '3xx') => 1,
}, sub {
    my $c = client();
    $c->cookies->{'__Host-portal'} = 'A' x 43;
    $c->get('/mon-espace');
});

moves('nobody at a page of the family', { requests('family', '3xx') => 1 },
    sub { client()->get('/famille') });
moves('the same in JSON: 401 is the page\'s, not the error page\'s', {
    requests('family', '4xx') => 1, requests('public', '4xx') => 0,
}, sub { client(json => 1)->get('/famille') });
moves('another town', { requests('public', '2xx', 'beaulieu') => 1 },
    sub { client(town => 'beaulieu')->get('/') });

my $sum = metrics()->{portal_render_seconds_sum};
$in->get('/famille');
ok wait_for(5, sub { metrics()->{portal_render_seconds_sum} > $sum }), 'rendering takes time';


### log-ins

moves('a refused log-in', {
    'portal_passwords_total{verdict="wrong"}' => 1, 'portal_passwords_total{verdict="right"}' => 0,
    requests('public', '4xx') => 1, 'portal_hash_seconds_count' => 1, calls('ok') => 2,
}, sub {
    my $c = client();
    is sign_in($c, { %$couple, password => 'ce-n-est-pas-lui-72' })->status, 422, 'refused';
});
moves('and a good one', {
    'portal_passwords_total{verdict="right"}' => 1, 'portal_passwords_total{verdict="wrong"}' => 0,
}, sub { is sign_in(client(), $couple)->status, 303, 'accepted' });


### mails

$p->stop_mail;
sign_up(client());
reach('the mail server is away', { 'portal_mail_deliveries_total{outcome="down"}' => '[1-9]\d*',
    'portal_outbox_mails{state="queued"}' => '[1-9]\d*' }, 40);
$p->start_mail;


### a worker dies, workers change

my %whole = ('portal_workers{state="running"}' => 2, 'portal_workers{state="exiting"}' => 0,
    'portal_redis_links_up{link="command"}' => 2, 'portal_redis_links_up{link="tracking"}' => 2,
    'portal_database_connections{pool="jobs",state="idle"}' => 1,
    'portal_database_connections{pool="pages",state="idle"}' => '[1-4]',
    'portal_database_refusing' => 0, 'portal_database_queue{pool="pages"}' => 0);
reach('all is there', \%whole, 10);

my $before = metrics();
expect_complaint(qr/worker process \d+ exited on signal 9/);
kill 'KILL', ($p->nginx->workers)[0];
reach('a worker was killed: nothing counts twice', { %whole,
    portal_worker_starts_total => $before->{portal_worker_starts_total} + 1 }, 15);
$p->reload;
reach('a reload: nor now', { %whole,
    portal_worker_starts_total => $before->{portal_worker_starts_total} + 3 }, 15);

my $after = metrics();
my @lost = grep { /_(?:total|count)\b|_bucket/ && $after->{$_} < $before->{$_} } keys %$before;
is_deeply \@lost, [], 'no counter went back';
is $after->{portal_start_time_seconds}, $before->{portal_start_time_seconds}, 'since then';


### PostgreSQL away

moves('PostgreSQL stopped', { requests('family', '5xx') => 1, requests('public', '5xx') => 0 }, sub {
    $p->stop_database;
    wait_for(5, sub { log_lines(qr/database is down/) >= 2 });
    is $in->get('/famille')->status, 503, 'a page says so';
});
reach('no connection is left', {
    'portal_database_connections{pool="pages",state="idle"}' => 0,
    'portal_database_connections{pool="pages",state="busy"}' => 0,
    'portal_database_connect_failures_total{pool="pages"}' => '[1-9]\d*',
    calls('down') => '[1-9]\d*',
});
my $connects = metrics()->{'portal_database_connects_total{pool="pages"}'};
$p->start_database;
back_ok($in, '/famille', 'PostgreSQL is back', 10);
cmp_ok metrics()->{'portal_database_connects_total{pool="pages"}'}, '>', $connects,
    'connected anew';


### Redis away

$p->stop_redis;
reach('Redis stopped', { 'portal_redis_links_up{link="command"}' => 0,
    'portal_redis_links_up{link="tracking"}' => 0,
    'portal_redis_links_lost_total{link="command"}' => '[2-9]',
    'portal_redis_links_lost_total{link="tracking"}' => '[2-9]' });
$p->start_redis;
reach('and is back', \%whole, 10);


### a node that sends no mail has jobs, and says how they stand

{
    my $quiet = portal(new => 1, jobs => 'chain=1h', directives => { portal_mail => undef, portal_webhooks => undef });
    my $tail = sub { $quiet->psql('select count(*) from portal.audit where chain is null') };
    ok wait_for(20, sub { $tail->() == 0 }), 'its job has run, and will in an hour';
    sign_in(client(), $couple);
    $quiet->psql("insert into portal.outbox (tenant, recipient, template, message_id, state, done_at)
        select 1, 'a\@exemple.fr', 'confirm', n || '\@exemple.fr', 'sent', now() from generate_series(1, 3) n");
    $quiet->reload;
    reach('mails that have ended are counted by the worker that begins', { 'portal_outbox_mails{state="sent"}' => 3 });
    ok wait_for(20, sub { $tail->() == 0 }), 'and so has its job';
    sign_in(client(), $couple) for 1 .. 3;
    my $rows = $tail->();
    cmp_ok $rows, '>=', 3, 'some rows wait for it';
    my %hooks = (active => 2, late => 2, stopped => 1, failing => 1, gone => 1);
    for my $state (keys %hooks) {
        my ($is, $since) = $state eq 'late' ? ('active', 'now()') : ($state, 'null');
        $quiet->psql("insert into portal.webhook (tenant, url, events, seal_id, secret, created_by, state, trouble_since)
            select 1, 'https://$state' || n || '.example/', '{import.report}', gen_random_uuid(), repeat('x', 60),
                   (select min(id) from portal.agent where tenant = 1), '$is', $since from generate_series(1, $hooks{$state}) n");
    }
    $quiet->psql("insert into portal.webhook_message (tenant, webhook_id, event, created_at)
        select tenant, id, 'import.report', now() - interval '2 hours' from portal.webhook");
    reach('without mail: the end of the audit that is not chained, and how webhooks are',
        { portal_audit_unchained => $rows, 'portal_outbox_mails{state="queued"}' => '\d+', 'portal_outbox_mails{state="sent"}' => 3,
          (map { ("portal_webhooks{state=\"$_\"}" => $hooks{$_}) } keys %hooks), portal_webhook_messages => 6,
          portal_webhook_oldest_seconds => '72\d\d' }, 40);
    ok !grep({ /^portal_webhook.*(?:example|saint-aubin)/ } keys %{ metrics() }), 'of no town and no address';
}

done_testing;
