#!/usr/bin/perl

# The portal in numbers: what is counted, what is not told, and charts that say
# themselves without colour, script or eyes.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my $page = agent_client();
my $desk = as_json($page);
my $reader = agent_client(json => 1, as => new_agent(role => 'reader', name => 'Rémi Lecteur'));

sub row { return scalar $portal->psql($_[0]) }
sub stats { return $desk->get('/statistiques')->json }

# values of a chart: by row, joined
sub values_of {
    return [map { join ' ', map { $_->{value} // '-' } @{ $_->{bars} } } @{ $_[0]{rows} }];
}

# the town has decided nothing yet
$portal->psql("delete from portal.change_set where tenant = 1;
    alter table portal.audit disable trigger user; delete from portal.audit where tenant = 1;
    alter table portal.audit enable trigger user");
my ($family) = map { $_->[0] } $portal->psql("select id from portal.family where number = '104201'");
my ($agent) = map { $_->[0] } $portal->psql("select min(id) from portal.agent where tenant = 1");
my $serial = 0;

# a request: sent so many days ago at noon, and decided so many days after
sub request {
    my ($state, $ago, $took, %o) = @_;

    my $sent = "(portal.today() - $ago + time '12:00') at time zone 'Europe/Paris'";
    my $over = defined $took ? "(portal.today() - $ago + $took + time '12:00') at time zone 'Europe/Paris'" : 'null';
    my $by = $o{itself} || !defined $took ? 'null' : $agent;
    my $code = $o{code} ? "'$o{code}'" : 'null';
    my $reason = $state =~ /refused|incomplete/ ? "'Illisible pour Camille Martin.'" : 'null';
    $portal->psql(sprintf "insert into portal.change_set (tenant, number, family_id, section, action,
        subject, state, created_at, updated_at, decided_at, decided_by, due_on, reason_code, reason)
        values (1, '2020-%07d', $family, 'guardian_basic', 'add', 'Camille Martin', '$state', $sent,
        coalesce($over, $sent), $over, $by, portal.today() - $ago + 10, $code, $reason)", ++$serial);
}


### nothing yet

{
    my $s = stats();
    is_deeply values_of($s->{delay}), [('- -') x 12], 'no decision: no delay is known';
    is_deeply values_of($s->{share}), [('-') x 12], 'nor a share';
    is_deeply $s->{reasons}{rows}, [], 'no reason';
    my $empty = $page->get('/statistiques');
    unlike $empty->content, qr/0 0 360 0"/, 'no image of nothing';
    like $empty->text, qr/Motifs de refus .* sont réunis\. Rien à montrer pour cette période\. Familles/,
        'which is said';
    is_deeply values_of($s->{waiting}), [(0) x 6], 'nothing waits';
    is $s->{families}, row('select count(*) from portal.family where tenant = 1'), 'all families of the town, of no other';
    is $s->{families_linked}, row("select count(distinct family_id) from portal.subscription
        where tenant = 1 and ended_at is null and effective_at is not null"), 'those that are linked';
    is $s->{linked}{rows}[11]{bars}[0]{value}, $s->{families_linked}, 'now is the last month';
}


### decisions

# 45 days ago is one month and the same: 10 that took 0 to 9 days
request('accepted', 45, $_) for 0 .. 6;
request('partly', 45, 7, code => 'not_shown');
request('refused', 45, 8, code => 'not_shown');
request('refused', 45, 9);
request('accepted', 45, 0, itself => 1) for 1 .. 20;
request('replaced', 45, undef) for 1 .. 3;
request('accepted', 500, 2);
{
    my $s = stats();
    my %count;
    for my $n (0 .. 11) {
        my ($row, $share) = map { $s->{$_}{rows}[$n] } qw(delay share);
        $count{$_} += $share->{$_} for qw(decided refused partly);
        is $row->{decided}, $share->{decided}, "the same months ($row->{month} $row->{year})";
    }
    is_deeply \%count, { decided => 10, refused => 2, partly => 1 },
        'what agents decided in 12 months: neither what counts by itself, nor what is older';
    my @months = map { $_->{month} } @{ $s->{delay}{rows} };
    is scalar @months, 12, 'twelve months';
    is $months[11], row("select to_char(portal.today(), 'MM')"), 'this one is the last';
}

# all in one month: it is known which
$portal->psql("update portal.change_set set decided_at = x.at, updated_at = x.at, created_at = x.at - (created_at - decided_at) * -1
    from (select (date_trunc('month', portal.today()::timestamp) - interval '20 days' + interval '12 hours') at time zone 'Europe/Paris' as at) x
    where decided_by is not null and tenant = 1 and created_at > now() - interval '100 days'");
is values_of(stats()->{delay})->[10], '4 8', 'the median and what 9 of 10 took at most, in days of the calendar';
is values_of(stats()->{share})->[10], '20', 'per cent refused';

# from a month to the next at midnight in the town, not in UTC
$portal->psql("update portal.change_set set decided_at = x.at, updated_at = x.at, created_at = x.at - interval '1 hour'
    from (select date_trunc('month', portal.today()::timestamp) at time zone 'Europe/Paris' + interval '10 minutes' as at) x
    where tenant = 1 and state = 'partly'");
is values_of(stats()->{delay})->[11], '1 1', 'ten minutes past midnight: this month, and a day after it was sent';


### reasons

{
    request('refused', 40, 1, code => 'not_shown') for 1 .. 4;
    my $words = row("select texts->>'fr' from portal.refusal where tenant = 1 and code = 'not_shown'");
    ok length $words, 'ready words';
    my $rows = sub { [map { ($_->{reason} // ($_->{few} ? 'few' : 'own')) . " $_->{bars}[0]{value}" } @{ stats()->{reasons}{rows} }] };
    require Encode;
    $words = Encode::decode('UTF-8', $words) if !utf8::is_utf8($words);
    is_deeply $rows->(), ["$words 6", 'few 1'], 'the most frequent first; fewer than 5 stand together, their words are not told';
    request('refused', 40, 1) for 1 .. 8;
    is_deeply $rows->(), ['own 9', "$words 6"], 'words of the agents\' own are one reason';
    my $other = row("select code from portal.refusal where tenant = 1 and kind = 'refused' and code <> 'not_shown' order by code limit 1");
    request('refused', 40, 1, code => $other) for 1 .. 4;
    is_deeply $rows->(), ['own 9', "$words 6", 'few 4'], 'four: not told';
    request('refused', 40, 1, code => $other);
    is scalar(grep { /5$/ && !/few/ } @{ $rows->() }), 1, 'five: told';
}


### what waits

request('sent', $_) for 0, 1, 2, 4, 5, 9, 10, 19, 20, 29, 30, 300;
request('incomplete', 3);
is_deeply values_of(stats()->{waiting}), [(2) x 6], 'by age, each bound in its own group';
is stats()->{waiting}{late}, 5, 'past their day';
is stats()->{waiting}{incomplete}, 1, 'for the family to complete';


### attempts

my $wrong = client();
$wrong->submit($wrong->get('/connexion'), { email => 'personne@exemple.fr', password => 'pas-le-bon-97' }, form => '/connexion');
my $no = client(agents => 1);
$no->submit($no->get('/connexion'), { email => 'personne@mairie.example', password => 'pas-le-bon-97', otp => '000000' }, form => '/connexion');
is values_of(stats()->{logins})->[11], '1 1', 'a log-in of a family and one of an agent that failed';
$portal->psql("insert into portal.audit (tenant, at, action, outcome) select 1, now(), 'subscribe', x from unnest(array['code_refused', 'too_many', 'ok']) x");
is values_of(stats()->{codes})->[11], '2', 'codes that were refused';
$portal->psql('update portal.town set keep_audit = 180 where id = 1');
is values_of(stats()->{codes})->[0], '-', 'a month whose traces are erased is not known, it is not nothing';
$portal->psql('update portal.town set keep_audit = 365 where id = 1');


### linked families

{
    my $before = stats()->{linked};
    $portal->psql("update portal.subscription set since = now() - interval '70 days', effective_at = now() - interval '70 days' where tenant = 1");
    my $linked = stats()->{linked};
    is values_of($linked)->[10], stats()->{families_linked}, 'connected for 70 days: at the end of last month, too';
    is values_of($linked)->[0], 0, 'not eleven months ago';
    $portal->psql("update portal.subscription set ended_at = now() where tenant = 1 and family_id = $family");
    my $after = stats();
    is $after->{families_linked}, values_of($linked)->[11] - 1, 'a family whose accounts have all left is one less, once';
    is values_of($after->{linked})->[10], values_of($linked)->[10], 'and was there last month';
}


### the page

{
    my $s = stats();
    for my $name (qw(waiting delay share reasons linked codes logins)) {
        my @places = map { my $r = $_; $r->{label_y}, map { @$_{qw(x y width text_x text_y)} } @{ $r->{bars} } } @{ $s->{$name}{rows} };
        is scalar(grep { !/^\d+$/ || $_ > 2000 } @places), 0, "$name: places are integers";
        is scalar(grep { $_->{x} + $_->{width} > 310 } map { @{ $_->{bars} } } @{ $s->{$name}{rows} }), 0,
            "$name: no bar past its room";
    }
    my $r = $page->get('/statistiques');
    is $r->status, 200, 'the page';
    my $html = $r->content;
    like $html, qr{<a href="/statistiques" aria-current="page">}, 'has its place in the menu';
    is scalar(() = $html =~ /<figure /g), 8, 'eight charts';
    my %id = map { $_ => 1 } $html =~ /\bid="([^"]+)"/g;
    my @said = $html =~ /<svg viewBox="0 0 360 \d+" role="img" aria-labelledby="([^"]+)"/g;
    is scalar @said, 8, 'each is an image that says itself';
    is scalar(grep { !$id{$_} } map { split } @said), 0, 'by what stands there';
    my @tables = $html =~ m{<table class="table" role="table">(.*?)</table>}gs;
    is scalar @tables, 8, 'and has its figures in a table';
    my @bad;
    for my $table (@tables) {
        my (undef, @heads) = $table =~ m{<th scope="col"[^>]*>(.*?)</th>}g;
        push @bad, grep { join('|', /data-col="([^"]*)"/g) ne join('|', @heads) }
            $table =~ m{(<tr role="row"><th scope="row".*?</tr>)}gs;
    }
    is "@bad", '', 'each figure says its column, as a narrow screen shows it';
    unlike $html, qr/Martin|Camille|104201|Illisible pour/, 'no name, no number of a file, no agent\'s words';
    unlike $html, qr/<script(?! type="module" src)|style="/, 'no script of its own, no style';
    is $reader->get('/statistiques')->status, 200, 'readers, too: it is counts';
    is client(json => 1, agents => 1)->get('/statistiques')->status, 401, 'nobody else';
    like $page->get('/compte')->content, qr{<a href="/statistiques">}, 'linked from the account\'s page';
}

done_testing;
