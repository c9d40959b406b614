#!/usr/bin/perl

# « Exports de plusieurs familles »: where the town has set it, a file with many
# families' data takes another administrator's agreement, to exactly that, once.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my $paul = agent('administrator');
my $zoe = new_agent(role => 'administrator', name => 'Zoé Dupuis');
my ($one, $two) = map { scalar agent_client(as => $_) } $paul, $zoe;

sub row { return scalar $portal->psql($_[0]) }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub audit { return row("select count(*) from portal.audit where action = '$_[0]' and outcome = '$_[1]'") }
sub posted { return row("select count(*) from portal.outbox where template = 'export_$_[0]' and recipient = '$_[1]'") }

# as if so much time had passed since it was asked, decided and used
sub ago {
    $portal->psql("update portal.mass_export set expires_at = expires_at - interval '$_[0]',
        used_at = used_at - interval '$_[0]'");
}

step_up($_->[0], $_->[1], stays => 1) for [$one, $paul], [$two, $zoe];
my ($j, $k) = map { as_json($_) } $one, $two;

# two lots of letters, of two codes each
my @single = map { json_post($j, "/codes/responsables/$_->[0]", { step => 'issue' })->json->{location} =~ m{(\d+)$} }
    $portal->psql("select g.id from portal.guardian g where g.tenant = 1
        and not exists (select from portal.code k where k.guardian_id = g.id and k.used_at is null and k.revoked_at is null)
        and not exists (select from portal.subscription u where u.guardian_id = g.id and u.ended_at is null)
        order by g.id desc limit 4");
$portal->psql("update portal.code k set lot_id = l.id from portal.letter_lot l, portal.letter_lot o
    where o.id = k.lot_id and l.number = o.number - 2 and o.number in ($single[2], $single[3]);
    update portal.letter_lot set size = 2 where number in ($single[0], $single[1])");
my @lot = @single[0, 1];
my $lot = "/codes/lettres/$lot[0]";


### as long as the town has not said otherwise

is $j->get('/journal.csv')->status, 200, 'one administrator is enough';
is $j->get('/exports')->json->{two}, JSON::PP::false(), 'and the page says so';
is codes(json_post($j, '/exports', { wanted => 'journal', reason => 'x' })), ':export_free', 'nothing to ask';
for my $role (qw(reader validator)) {
    my $c = agent_client(as => new_agent(role => $role), json => 1);
    is $c->get($_)->status, 403, "no page of a $role: $_" for '/exports', '/exports/1';
}
is client(json => 1)->get('/exports')->status, 404, 'nor of families';


### the setting

my $settings = $one->get('/reglages/delais');
like $settings->text, qr/Ouvrir en une fois les données de plusieurs familles demande/, 'the setting is on the page';
is $one->submit($settings, { export_agents => 'two' })->status, 303, 'two administrators';


### the journal as a file

my ($asked, $place);
{
    my $page = $one->get('/journal?genre=session&famille=104201');
    like $page->text, qr/Demander ces lignes pour un tableur/, 'the journal offers to ask';
    unlike $page->content, qr{href="/journal\.csv}, 'and no file';
    my $before = audit('read_journal', 'csv');
    my $r = $one->get('/journal.csv?genre=session&famille=104201');
    is $r->status, 303, '2.3.5 a person is led';
    is $r->location, '/exports?suite=%2Fjournal%3Fgenre%3Dsession%26famille%3D104201', '2.3.5 to where it is asked for';
    like $one->get($r->location)->text, qr/choisissez d’abord les lignes dans le journal/, 'which says where to begin';
    my $problem = $j->get('/journal.csv?genre=session')->json;
    is_deeply [@$problem{qw(type code status)}], ['/exports', 'export_needed', 403], '2.3.5 a program is told';
    is audit('read_journal', 'csv'), $before, '2.3.5 nothing was read';

    my $form = $one->get('/exports?sorte=journal&agent=&genre=session&famille=104201&du=&au=');
    like $form->text, qr/Le journal en fichier.*Connexions.*Famille 104201/s, 'what is asked is said';
    $r = $one->submit($form, { reason => '' }, form => '/exports');
    is $r->status, 422, 'not without a reason';
    like $r->content, qr/id="reason-error"/, 'said beside the field';
    like $r->text, qr/Famille 104201/, 'and what is asked is still there';
    $r = $one->submit($r, { reason => 'Plainte du 3 mars' }, form => '/exports');
    is $r->status, 303, 'asked' or diag $r->text;
    ($place) = $r->location =~ m{^(/exports/\d+)\?avis=export_asked$};
    ok $place, 'and led to it' or diag $r->location;
    is posted('asked', $zoe->{email}), 1, 'the other administrator gets a mail';
    is posted('asked', $paul->{email}), 0, 'who has asked gets none';
    is audit('ask_export', 'ok'), 1, 'the audit has it';
    my $again = $one->submit($form, { reason => 'Encore' }, form => '/exports');
    is $again->location, "$place?avis=export_asked", 'asked again it is the same';
    is posted('asked', $zoe->{email}), 1, 'without another mail';

    $page = $one->get($place);
    unlike $page->content, qr/value="agree"/, 'who has asked does not agree';
    is codes(json_post($j, $place, { step => 'agree' })), ':own_export', 'nor by a program';
    is $one->get('/journal.csv?genre=session&famille=104201')->status, 303, 'it waits';
}


### another one agrees

{
    $portal->psql("update portal.agent_session set confirmed_at = null");
    my $page = $two->get($place);
    like $page->text, qr/Plainte du 3 mars/, 'another one reads why';
    like $page->text, qr/donnez d’abord le code/, 'and that it takes a code';
    my $r = $two->submit($page, { step => 'agree' }, form => $place);
    is $r->status, 422, 'not from a session left open';
    like $r->text, qr/Donnez d’abord le code/, 'in words';
    $portal->psql("update portal.agent_session set confirmed_at = 'infinity' where ended_at is null");

    $r = $two->submit($two->get($place), { step => 'agree' }, form => $place);
    is $r->location, "$place?avis=export_agreed", 'agreed' or diag $r->text;
    is posted('agreed', $paul->{email}), 1, 'who has asked gets a mail';
    is audit('agree_export', 'ok'), 1, 'the audit has it';
    is codes(json_post($k, $place, { step => 'refuse' })), ':export_over', 'decided once';

    # bound to exactly that
    is $one->get('/journal.csv')->status, 303, '2.3.5 not for all rows';
    is $one->get('/journal.csv?genre=session')->status, 303, '2.3.5 nor for other families';
    is $one->get('/journal.csv?genre=session&famille=104201&du=2020-01-01')->status, 303, '2.3.5 nor for other days';
    is $two->get('/journal.csv?genre=session&famille=104201')->status, 303, '2.3.5 nor for another administrator';

    $portal->psql("insert into portal.audit (tenant, action, outcome, object, object_id) select 1, 'sign_in', 'failed', 'family', id
        from portal.family where number = '104201'");
    my ($href) = grep { m{^/journal\.csv} } keys %{ $one->get($place)->links };
    $r = $one->get($href);
    is $r->status, 200, 'it opens';
    like $r->header('content-type'), qr{^text/csv}, 'as a file';
    is row("select (j->>'at')::timestamptz <= e.asked_at from portal.mass_export e,
        json_array_elements('" . JSON::PP::encode_json([{ at => ($j->get($href)->json->{rows} // [])->[0]{at} // '2000-01-01' }]) . "') j
        where e.number = " . ($place =~ /(\d+)/)[0]), 't', 'with what was there when it was asked for';
    is audit('use_export', 'ok'), 2, 'each opening is in the audit, twice within five minutes';

    ago('5 minutes 1 second');
    is $one->get($href)->status, 303, '2.3.5 used once, it is over';
    like $one->get($place)->text, qr/Ouvert/, 'and says so';
    like $one->get('/journal?genre=export')->text, qr/demandé.*/s, 'the journal tells it';
}


### letters

{
    is $one->get("/codes/lettres/$lot[0]")->location, '/exports?suite=%2Fcodes%2Flettres%2F' . $lot[0], '2.3.5 letters for many, too';
    my $form = $one->get('/exports?suite=%2Fcodes%2Flettres%2F' . $lot[0]);
    like $form->text, qr/Des lettres avec leurs codes : lot $lot[0]/, 'which can be asked for there';
    my $r = $one->submit($form, { reason => 'Rentrée' }, form => '/exports');
    ($asked) = $r->location =~ m{^(/exports/\d+)};
    is json_post($k, $asked, { step => 'agree' })->status, 200, 'agreed';
    is $one->get("/codes/lettres/$lot[1]")->status, 303, '2.3.5 another lot is another matter';
    ago('3 hours 59 minutes');
    is $one->get($lot)->status, 200, 'within four hours';
    $portal->psql("update portal.mass_export set used_at = null");
    ago('1 minute 1 second');
    is $one->get($lot)->status, 303, '2.3.5 not longer';
    like $one->get($asked)->text, qr/Délai passé/, 'it says so';

    $r = json_post($j, '/exports', { wanted => 'letters', lot => "$lot[1]", reason => 'Rentrée' });
    my $refused = $r->json->{location};
    is json_post($k, $refused, { step => 'refuse' })->status, 200, 'refused';
    is posted('refused', $paul->{email}), 1, 'by mail';
    is $one->get("/codes/lettres/$lot[1]")->status, 303, 'it stays closed';

    my $given = json_post($j, '/exports', { wanted => 'letters', lot => "$lot[1]", reason => 'Rentrée' })->json->{location};
    is json_post($k, $given, { step => 'agree' })->status, 200, 'agreed';
    is codes(json_post($k, $given, { step => 'cancel' })), ':export_over', 'only who has asked gives it up';
    is json_post($j, $given, { step => 'cancel' })->status, 200, 'given up';
    is $one->get("/codes/lettres/$lot[1]")->status, 303, 'it does not open';

    my $late = json_post($j, '/exports', { wanted => 'letters', lot => "$lot[1]", reason => 'Rentrée' })->json->{location};
    ago('24 hours 1 second');
    is codes(json_post($k, $late, { step => 'agree' })), ':export_over', 'nobody agrees to what was asked yesterday';
    is codes(json_post($j, '/exports', { wanted => 'letters', lot => '999999', reason => 'x' })), ':export_unknown', 'of none there is none';
    is codes(json_post($j, '/exports', { wanted => 'journal', agent => 'x', reason => 'x' })), ':export_unknown', 'nor of a filter that is none';
    is $one->get('/exports/999999')->status, 404, 'nor a page';
}


### whoever writes, and a town with one

{
    open my $stderr, '>&', \*STDERR or die $!;
    open STDERR, '>', '/dev/null' or die $!;
    my $done = eval { $portal->psql("update portal.mass_export set state = 'agreed', decided_at = now(), decided_by = asked_by"); 1 };
    open STDERR, '>&', $stderr or die $!;
    ok !$done, 'the database does not take one administrator\'s word';

    $portal->psql("update portal.agent set state = 'disabled' where role = 'administrator' and email <> '$paul->{email}'");
    is $one->get($lot)->status, 200, 'the only administrator is enough';
    $portal->psql("update portal.agent set state = 'active' where state = 'disabled'");
    is $one->get($lot)->status, 303, 'with another one they are not';
}


### what a machine reads is not one

my $key = $portal->machine(name => 'Logiciel', rights => 'feed');
is client(agents => 1, json => 1)->get('/api/changements', headers => { Authorization => "Bearer $key" })->status, 200, 'the feed is not asked about';

$portal->psql("update portal.agent_session set confirmed_at = null");
is $one->submit($one->get('/reglages/delais'), { export_agents => 'one' })->status, 422, 'nor is the rule given up by a session left open';

done_testing;
