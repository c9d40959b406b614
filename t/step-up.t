#!/usr/bin/perl

# « Confirmez que c'est bien vous »: an agent gives another code before an account
# number is shown whole or many families are handed out at once, and then not
# again for five minutes.

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Test;

my $portal = portal();
my $PAGE = '/connexion/confirmation';
my $IBAN = 'FR1420041010050500013M02606';

# as it is stored, or in groups of four as a page has it
sub shown { my $text = join ' ?', $_[0] =~ /(.{1,4})/g; return qr/$text/ }

my $jeanne = agent('validator');
my $paul = agent('administrator');
my ($family, $guardian) = @{ ($portal->psql("select f.id, g.id from portal.family f
    join portal.guardian g on g.family_id = f.id join portal.bank b on b.guardian_id = g.id
    where f.number = '104201' order by g.rank limit 1"))[0] };
my $own = "/familles/$family/responsables/$guardian/iban";

sub row { return scalar $portal->psql($_[0]) }
sub forget { $portal->psql('delete from portal.attempt') }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub audit { return row("select count(*) from portal.audit where action = '$_[0]'"
    . ($_[1] ? " and outcome = '$_[1]'" : '')) }

# a code was given so long ago
sub ago {
    $portal->psql("update portal.agent_session set opened_at = opened_at - interval '$_[0]',
        confirmed_at = confirmed_at - interval '$_[0]' where confirmed_at is not null");
}

# the whole number that the file has, as nginx opens it
my $whole = tool(join "\t", 'open', 'saint-aubin', 'guardian', map { @$_ }
    map { [$_->[0], 'iban', $_->[1]] } $portal->psql("select g.seal_id, b.iban from portal.guardian g
    join portal.bank b on b.guardian_id = g.id where g.id = $guardian"));
like $whole, qr/^[A-Z]{2}\d{2}/, 'the file has a number';


### without it

my $desk = agent_client();
my $json = agent_client(json => 1);
{
    my $r = $desk->get("/familles/$family");
    ok $r->links->{$own}, 'the file leads to the number';
    unlike $r->content, shown($whole), 'and does not show it';

    $r = $desk->get($own);
    is $r->status, 303, '7.5.1 a person is led';
    is $r->location, "$PAGE?suite=" . ($own =~ s{/}{%2F}gr), '7.5.1 to the page of the code, with the way back';
    is $r->content, '', '7.5.1 with nothing of it';

    $r = $json->get($own);
    is $r->status, 403, '7.5.1 a program is told';
    my $problem = $r->json;
    is_deeply [@$problem{qw(type code title status)}], [$PAGE, 'step_up_needed',
        'Confirmez que c’est bien vous', 403], '7.5.1 by a problem of its own type';
    is $json->get("/agents")->json->{type}, 'about:blank', 'which others have not';
    is audit('read_iban'), 0, 'nothing was read';
    is row("select count(*) from portal.attempt where kind = 'agent_readings'
        and key = int8send((select id from portal.agent where email = '$jeanne->{email}'))
        and count > 1"), 0, 'nor counted, but the file';
}


### the page

{
    my $page = $desk->get("$PAGE?suite=$own");
    like $page->title, qr/^Confirmez que c’est bien vous/, 'the page';
    is $page->text =~ /chaque code ne sert qu’une fois/ ? 1 : 0, 1, 'says how';
    like $page->content, qr/<input id="otp" (?=[^>]*inputmode="numeric")[^>]*autocomplete="one-time-code"/,
        'its one field is known to browsers';
    unlike $page->content, qr/type="password"/, 'and no password is asked for';

    my $r = $desk->submit($page, { otp => '12 34' }, form => $PAGE);
    is $r->status, 422, 'no code';
    like $r->text, qr/Saisissez les 6 chiffres du code/, 'said beside the field';

    my $wrong = sprintf '%06d', (otp($jeanne->{totp_secret}) + 1) % 1_000_000;
    $r = step_up($desk, $jeanne, page => $page, otp => $wrong);
    is $r->status, 422, 'T203 a wrong code';
    like $r->text, qr/Ce code n’est pas le bon, ou il a déjà servi/, 'T203 said beside the field';
    unlike $r->content, qr/value="$wrong"/, 'T203 and not shown again';
    is audit('agent_step_up', 'code_refused'), 1, 'T203 the audit has it';
    is $desk->get($own)->status, 303, 'T203 nothing is open';

    my $before = $desk->cookie('__Host-agent');
    my $other = twin($desk);
    my $good = otp($jeanne->{totp_secret});
    $r = step_up($desk, $jeanne, page => $page, otp => $good);
    is $r->status, 303, 'a code';
    is $r->location, "$own?avis=stepped_up", 'leads back';
    isnt $desk->cookie('__Host-agent'), $before, 'T053 under a new identifier';
    is $other->get('/compte')->status, 303, 'T053 the old one is dead';
    is audit('agent_step_up', 'ok'), 1, 'the audit has that';
    is row("select count(*) from portal.attempt a join portal.agent g on g.email_mac = a.key
        where g.email = '$jeanne->{email}' and a.count > 0"), 0, 'the guess before it is forgotten';

    $r = $desk->get("$own?avis=stepped_up");
    is $r->status, 200, '7.5.3 the number';
    like $r->text, qr/IBAN (?!$whole)@{[shown($whole)]}/, '7.5.3 whole';
    like $r->text, qr/pendant cinq minutes/, 'and for how long is said';
    like $r->text, qr/enregistrée à votre nom/, 'and that it is kept who has seen it';
    is audit('read_iban', 'ok'), 1, 'T215 the audit says so';
    is row("select object || object_id from portal.audit where action = 'read_iban'"), "guardian$guardian",
        'T215 of whom';

    $r = step_up($desk, $jeanne, otp => $good, fresh => 0);
    is $r->status, 422, 'a code serves once';
    is step_up($desk, $jeanne, otp => otp($jeanne->{totp_secret}, -1), fresh => 0)->status, 422, 'nor one of before it';
    forget();
}


### for how long, and whose

{
    my $c = agent_client(json => 1);
    my $r = step_up($c, $jeanne, next => $own);
    is $r->status, 200, 'JSON: a code';
    is_deeply [@{ $r->json }{qw(location notice)}], [$own, 'stepped_up'], 'JSON: and where to go on';
    is $c->get($own)->json->{iban}, $whole, 'JSON: the number';
    is $json->get($own)->status, 403, 'T203 another session of the same agent may not';

    ago('4 minutes 50 seconds');
    is $c->get($own)->status, 200, 'T203 for five minutes';
    ago('10 seconds');
    $r = $c->get($own);
    is $r->status . ' ' . $r->json->{code}, '403 step_up_needed', 'T203 not longer';
    is $c->get("/familles/$family")->status, 200, 'T203 all else goes on';

    my $left = row("select round(extract(epoch from absolute_until - now())) from portal.agent_session
        where ended_at is null order by confirmed_at desc nulls last limit 1");
    step_up($c, $jeanne);
    my $now = row("select round(extract(epoch from absolute_until - now())) from portal.agent_session
        where ended_at is null order by confirmed_at desc nulls last limit 1");
    cmp_ok $now, '<=', $left, 'the session ends when it would have';
    is $c->get($own)->status, 200, 'and another code opens it again';

    # a right that is taken away in between
    $portal->psql("update portal.agent_session set confirmed_at = now() where ended_at is null");
    $portal->psql("update portal.agent set role = 'reader' where email = '$jeanne->{email}'");
    is $c->get($own)->status, 401, 'T059 a right that is taken away ends it too';
    my $reader = agent_client(json => 1, as => { %$jeanne });
    step_up($reader, $jeanne);
    is $reader->get($own)->status, 403, 'T203 who only reads sees no number whole';
    is $reader->get($own)->json->{type}, 'about:blank', 'T203 with any code';
    ok !$reader->get("/familles/$family")->json->{guardians}[0]{iban_page}, 'nor is led there';
    $portal->psql("update portal.agent set role = 'validator' where email = '$jeanne->{email}'");

    is client(agents => 1)->get($PAGE)->status, 303, 'nobody gives a code without a log-in';
    is client(agents => 1, json => 1)->post($PAGE, { otp => '123456' })->status, 401, 'nor as a program';
}


### where it leads

for my $next ('https://ailleurs.example/', '//ailleurs.example', '/\\ailleurs.example', 'ailleurs', "/x\n", '/deconnexion') {
    my $c = agent_client(json => 1);
    my $r = step_up($c, $jeanne, next => $next);
    is $r->status == 200 ? $r->json->{location} : codes($r), '/compte', 'T028 never elsewhere: ' . ($next =~ s/\n/\\n/r);
}
{
    my $c = agent_client();
    my $page = $c->get("$PAGE?suite=" . '%2F%2Failleurs.example');
    is step_up($c, $jeanne, page => $page)->location, '/compte?avis=stepped_up', 'T028 nor by a link';
}


### guesses are counted with the log-ins

{
    my $agent = new_agent();
    my $c = agent_client(as => $agent, json => 1, source => '127.0.51.1');
    my @status = map { step_up($c, $agent, otp => "00000$_")->status } 1 .. 6;
    is "@status", '422 422 422 422 422 429', 'T203 five guesses, then a wait';
    my $r = step_up($c, $agent);
    is $r->status, 429, 'T203 for the right one too';
    cmp_ok $r->header('retry-after'), '>', 30, 'T203 and it says how long';
    is log_in_agent(twin($c), $agent)->status, 429, 'T203 for the log-in of that device as well';
    is audit('agent_step_up', 'code_refused'), 1 + 2 + 5, 'T203 each of them is in the audit';
    forget();
    is step_up($c, $agent)->status, 200, 'then it is good';
}
for (1 .. 3) {
    my $agent = new_agent();
    my @c = map { scalar agent_client(as => $agent) } 1, 2;
    my @pages = map { $_->get($PAGE) } @c;
    $portal->psql("set session_replication_role = replica; update portal.agent set totp_step = 0");
    my $code = otp($agent->{totp_secret});
    my @sent = map { my $form = $pages[$_]->form($PAGE);
        $c[$_]->post($PAGE, [@{ $form->{fields} }[0, 1], otp => $code], pending => 1) } 0, 1;
    is join(' ', sort map { $_->status } Portal::Pending->pages(@sent)), '303 422',
        'of two sessions that bring one code, one is opened';
    forget();
}


### an account that is asked for, and what is to be copied

{
    my $camille = signed_in(qr/couple/);
    my $r = json_post(as_json($camille), "/famille/responsables/$guardian/bancaires",
        { holder => 'Camille Martin Durand', iban => $IBAN, mandate => 'yes' });
    my ($set) = ($r->json->{location} // '') =~ /(\d+)$/;
    ok $set, 'an account is asked for' or diag $r->content;
    my $path = "/demandes/$set/iban";

    my $c = agent_client();
    $r = $c->get("/demandes/$set");
    ok $r->links->{$path}, 'the request leads to the number';
    unlike $r->content, shown($IBAN), 'and shows its end';
    is $c->get($path)->status, 303, '7.5.1 not without a code';
    step_up($c, $jeanne);
    $r = $c->get($path);
    is $r->status, 200, '7.5.3 with one';
    like $r->text, qr/Titulaire du compte Camille Martin Durand IBAN @{[shown($IBAN)]}/i, '7.5.3 it is there';
    ok $r->links->{"/demandes/$set"}, 'with the way back';

    my $desk = as_json($c);
    json_post($desk, "/demandes/$set", { step => 'accept', version => $desk->get("/demandes/$set")->json->{version} });
    my $copy = $c->get("/recopie?famille=$family");
    ok $copy->links->{$path}, '« À recopier » leads there too';
    unlike $copy->content, shown($IBAN), 'and shows the end alone';
    is $c->get($path)->status, 200, 'it is still to be had';
    is row("select count(*) from portal.audit where action = 'read_iban' and object = 'change_set' and object_id = $set"),
        2, 'T215 each time with a row';
    is $c->get('/demandes/999999/iban')->status, 404, 'of none there is none';

    # a request of another section has none
    json_post(as_json($camille), "/famille/responsables/$guardian/base", { profession => 'Luthière' });
    my $base = row('select max(id) from portal.change_set');
    is $desk->get("/demandes/$base/iban")->status, 404, 'nor of another section';
    is $desk->get("/demandes/$base")->json->{iban_page}, undef, 'which does not lead there';

    # their own family's
    $portal->psql("update portal.guardian set email = '$jeanne->{email}' where id = $guardian");
    is $desk->get($path)->json->{code}, 'own_family', 'T202 nobody opens their own family\'s';
    is audit('read_iban', 'own_family'), 1, 'T202 which the audit has';

    $portal->psql("update portal.town set agent_readings = 10 where slug = 'saint-aubin'");
    $portal->psql("delete from portal.attempt; update portal.guardian set email = null where id = $guardian");
    is join(' ', map { $desk->get($path)->status } 1 .. 11), '200 ' x 10 . '429',
        'T206 each counts among the readings of an hour';
    $portal->psql("update portal.town set agent_readings = 300 where slug = 'saint-aubin'");
    forget();
}


### many families at once

{
    my $chief = agent_client(role => 'administrator');
    my $json = as_json($chief);
    my $r = $chief->get('/journal.csv?genre=session&famille=104201');
    is $r->status, 303, '7.5.3 the journal is no file without a code';
    is $r->location, "$PAGE?suite=%2Fjournal%3Fgenre%3Dsession%26famille%3D104201",
        '7.5.3 and the way back is the page with the link, as it was';
    is $json->get('/journal.csv')->json->{code}, 'step_up_needed', '7.5.3 a program is told';
    is audit('read_journal', 'csv'), 0, '7.5.3 nothing was read';
    is $chief->get('/journal')->status, 200, 'the page itself is open';
    unlike $chief->get('/journal')->content, qr{journal\.csv[^>]*download}, 'a browser does not keep the page for the file';

    $r = step_up($chief, $paul, page => $chief->get("$PAGE?suite=%2Fjournal%3Fgenre%3Dsession"));
    is $r->location, '/journal?genre=session&avis=stepped_up', 'back to the page';
    $r = $chief->get('/journal.csv');
    is $r->status, 200, '7.5.3 then it is one';
    like $r->header('content-type'), qr{^text/csv}, '7.5.3 for a spreadsheet';
}

done_testing;
