#!/usr/bin/perl

# What a program may say beside the body: Idempotency-Key, so that what it sends
# twice is done once, and If-Match, so that it changes nothing that has changed
# since it was read.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

# what waits for a lock waits as long as the test is at it
my $p = Portal::Stack->new;
$p->{directives} = { portal_database => '"' . $p->pg->conninfo('portal_web')
    . q( options='-c lock_timeout=60s -c statement_timeout=60s'" timeout=60s) };
$p->start;
Portal::Test::adopt($p);
my $J = '/mes-abonnements/nouveau';
my $PASSWORD = '/mon-compte/mot-de-passe';

# the code of the one error of a problem document
sub why {
    my ($r) = @_;

    return join ' ', $r->status, map { $_->{code} } @{ $r->json->{errors} // [] };
}

sub person {
    my $person = new_account();
    my $c = client(json => 1);
    json_post($c, '/connexion', { map { $_ => $person->{$_} } qw(email password) });

    return ($c, $person);
}

# with a key, as it stands in the header
sub keyed {
    my ($c, $path, $fields, $key, %o) = @_;

    return json_post($c, $path, $fields, page => '/session',
        headers => { 'Idempotency-Key' => $key }, %o);
}

sub subscriptions {
    return scalar $p->psql("select count(*) from portal.subscription
        where account_id = $_[0]{id}");
}

sub answer {
    my %document = %{ $_[0]->json };
    delete $document{csrf};

    return \%document;
}


### Idempotency-Key

{
    my ($c, $person) = person();
    my ($code, $other) = map { free_code(town => 'saint-aubin')->{code} } 1, 2;
    my %add = (code => $code, step => 'add');

    for my $bad ('', ' ', 'a b', '"', '""', '"a', 'a"b', 'a,b', '"a\\"b"', 'é',
        "a\tb", 'x' x 129)
    {
        my $r = keyed($c, $J, \%add, $bad eq '' ? ' ' : $bad);
        is $r->status, 400, "no key: <$bad>";
        is $r->header('content-type'), 'application/problem+json', 'a problem';
        is $r->json->{code}, 'idempotency_key', 'that says which';
    }
    is subscriptions($person), 0, 'nothing was done';

    # twice: in whatever order, and as a page
    for my $twice (['Idempotency-Key', 'one', 'two'], ['idempotency-key', 'one', 'one'],
        ['If-Match', '*', '"x"'], ['If-Match', '*', '*'])
    {
        my ($name, @value) = @$twice;
        for my $as ('application/json', 'text/html') {
            my $body = JSON::PP->new->encode({ %add,
                csrf => $c->get('/session')->json->{csrf} });
            my $r = Portal::Page->parse($c->raw("POST $J HTTP/1.1\r\nHost: $c->{host}\r\n"
                . "Accept: $as\r\nCookie: " . join('; ', map { "$_=" . $c->cookie($_) }
                    keys %{ $c->cookies }) . "\r\nSec-Fetch-Site: same-origin\r\n"
                . "Content-Type: application/json\r\nContent-Length: " . length($body)
                . "\r\n\u$name: $value[0]\r\n\L$name\E: $value[1]\r\n"
                . "Connection: close\r\n\r\n$body"), $J);
            is $r->status, 400, "$name twice (@value), $as";
            like $r->header('content-type'), $as eq 'text/html' ? qr/^text\/html/
                : qr/^application\/problem\+json/, 'told as that';
        }
    }
    is subscriptions($person), 0, 'nothing was done by them';

    my $first = keyed($c, $J, \%add, '"8e03978e-40d5-43dd-bc93-6894a57f9324"');
    is $first->status, 200, 'a key' or diag $first->content;
    is subscriptions($person), 1, 'done';

    my $again = keyed($c, $J, \%add, '"8e03978e-40d5-43dd-bc93-6894a57f9324"');
    is_deeply answer($again), answer($first), 'the same again: the same answer';
    is subscriptions($person), 1, 'done once';
    is_deeply answer(keyed($c, $J, \%add, '8e03978e-40d5-43dd-bc93-6894a57f9324')),
        answer($first), 'with or without its quotes';
    is why(keyed($c, $J, { %add, code => $other }, '"8e03978e-40d5-43dd-bc93-6894a57f9324"')),
        '422 idempotency_mismatch', 'for something else';
    is_deeply answer(json_post($c, $J, { %add,
        key => '8e03978e-40d5-43dd-bc93-6894a57f9324' }, page => '/session')),
        answer($first), 'the form\'s own field is the same key';
    is why(keyed($c, $J, { %add, key => '8e03978e-40d5-43dd-bc93-6894a57f9324' }, 'another')),
        '422 code_refused', 'the header counts where both are';

    # a key is somebody's: another's is another
    my ($d) = person();
    is why(keyed($d, $J, \%add, '8e03978e-40d5-43dd-bc93-6894a57f9324')),
        '422 code_refused', 'another account\'s key is another';

    # what was refused may be mended under its key
    is why(keyed($d, $J, { %add, code => 'K7QF-2MXD-9HTB' }, 'mended')) =~ /^422/, 1, 'refused';
    is keyed($d, $J, { %add, code => $other }, 'mended')->status, 200, 'and mended';
}

# before there is an account it is the browser's
{
    my $c = client(json => 1);
    my %ask = (email => 'nobody.here@parents.example');
    my $count = "select count(*) from portal.idempotency where scope like 'browser:%'";
    my $had = $p->psql($count);
    my @got = map { answer(keyed($c, '/mot-de-passe/oubli', \%ask, 'oubli-1')) } 1, 2;
    is $got[0]{location}, '/mot-de-passe/envoye', 'nobody known: done';
    is_deeply $got[1], $got[0], 'and again';
    is $p->psql($count), $had + 1, 'under one key';
    is why(keyed($c, '/mot-de-passe/oubli', { email => 'x@parents.example' }, 'oubli-1')),
        '422 idempotency_mismatch', 'for another address';
}

# the first is under way: a program is told, a person waits
{
    my ($c, $person) = person();
    my %add = (code => free_code(town => 'saint-aubin')->{code}, step => 'add',
        csrf => $c->get('/session')->json->{csrf});
    my $release = locked('code', 'exclusive');
    my $at_it = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'
        and usename = 'portal_web'";
    my %key = (headers => { 'Idempotency-Key' => 'flight' });

    my $first = $c->post($J, \%add, pending => 1, %key);
    ok wait_for(10, sub { $p->psql($at_it) == 1 }), 'one is under way';
    is why($c->post($J, \%add, %key)), '409 idempotency_in_flight', 'the second is told';
    my $form = $c->post($J, { %add, key => 'flight' }, pending => 1);
    ok wait_for(10, sub { $p->psql($at_it) == 2 }), 'the one of a form waits';
    $release->();
    my ($one, $two) = Portal::Pending->pages($first, $form);
    is $one->status, 200, 'the first is done' or diag $one->content;
    is_deeply answer($two), answer($one), 'and the form has its answer';
    is_deeply answer($c->post($J, \%add, %key)), answer($one), 'as the second has now';
    is subscriptions($person), 1, 'done once';
}


### ETag and If-Match

# all that is changed over a version: path, fields, what changes it meanwhile
sub version {
    my ($c, $path) = @_;
    my $r = $c->get($path);

    is $r->header('etag'), '"' . $r->json->{version} . '"', "$path: the version is its ETag";
    like $r->json->{version}, qr/^[0-9a-f]{32}$/, "$path: a strong one";
    is $r->header('cache-control'), 'no-store', "$path: and kept nowhere";

    return $r->header('etag');
}

sub over {
    my ($c, $path, $fields, $tag) = @_;

    return json_post($c, $path, $fields, page => '/session',
        headers => { 'If-Match' => $tag });
}

{
    my ($c, $person) = person();
    my ($one, $two, $three) = ($person->{password}, 'girouette nacre 58 tambour',
        'écluse framboise 19 vent');
    my %to = (current_password => $one, new_password => $two);
    my $tag = version($c, $PASSWORD);

    is version($c, $PASSWORD), $tag, 'the same as long as nothing has changed';
    is version($c, '/mon-compte/adresse'), $tag, 'of the account, wherever it is read';
    is $c->get($PASSWORD, headers => { Accept => 'text/html' })->header('etag'), undef,
        'a page has none';
    is $c->get($PASSWORD, headers => { 'If-None-Match' => $tag })->status, 200,
        'nothing is kept, so all of it comes';
    is $c->get('/session', headers => { 'If-Match' => '"x"' })->status, 200,
        'a GET is always answered';

    for my $bad ('"x"', 'W/' . $tag, 'x', '"x", "y"', '""', '"*"', '","', "'$tag'", '"é"') {
        is why(over($c, $PASSWORD, \%to, $bad)), '412 version_changed',
            "not this version: $bad";
    }
    my $r = over($c, $PASSWORD, \%to, '"x"');
    is $r->header('content-type'), 'application/problem+json', 'a problem';
    is $r->json->{errors}[0]{code}, 'version_changed', 'that says why';
    ok $r->json->{title} && $r->json->{errors}[0]{message}, 'in words';
    is version($c, $PASSWORD), $tag, 'nothing was done';

    is over($c, $PASSWORD, \%to, $tag)->status, 200, 'over the version that was read';
    my $next = version($c, $PASSWORD);
    isnt $next, $tag, 'now it is another';
    is why(over($c, $PASSWORD, { current_password => $two, new_password => $three }, $tag)),
        '412 version_changed', 'the old one holds no more';
    is over($c, $PASSWORD, { current_password => $two, new_password => $three },
        qq{"x" , $tag,$next})->status, 200, 'one of several';
    is over($c, '/mon-compte/adresse', { current_password => $three,
        email => "if$$\@parents.example" }, '*')->status, 200, 'any';
    isnt version($c, '/mon-compte'), $next, 'an address asked for is a change';
    is why(over($c, '/mes-donnees/fermeture', { current_password => $three }, '"x"')),
        '412 version_changed', 'closing, over another version';
    is why(over($c, '/mes-donnees/fermeture', { current_password => $three },
        version($c, '/mes-donnees/fermeture'))), '422 closing_pending',
        'over the right one: what else is in the way';

    # a page of a person comes back as it does for any other refusal
    my $page = client();
    $page->{cookies} = $c->{cookies};
    $r = $page->submit($page->get($PASSWORD), { current_password => $three,
        new_password => $one }, headers => { 'If-Match' => '"x"' });
    is $r->status, 412, 'HTML: 412';
    like $r->text, qr/ont changé depuis que vous les avez lues/, 'HTML: in words';
}

# the list of connections: one more than was read
{
    my ($c, $person) = person();
    my $tag = version($c, '/mon-compte/connexions');
    my $d = client(json => 1);
    json_post($d, '/connexion', { map { $_ => $person->{$_} } qw(email password) });

    is why(over($c, '/mon-compte/connexions', {}, $tag)), '412 version_changed',
        'another session since';
    is $d->get('/mon-espace')->status, 200, 'which goes on';
    is over($c, '/mon-compte/connexions', {}, version($c, '/mon-compte/connexions'))->status,
        200, 'seen, and ended';
    is $d->get('/mon-espace')->status, 401, 'with the others';
}

# a subscription: it takes effect meanwhile
{
    my ($c, $person) = person();
    json_post($c, $J, { code => free_code(town => 'saint-aubin')->{code}, step => 'add' });
    my $id = $c->get('/mes-abonnements')->json->{subscriptions}[0]{id};
    my $path = "/mes-abonnements/$id/resiliation";
    my $tag = version($c, $path);

    json_post($c, '/deconnexion', {}, page => '/session');
    json_post($c, '/connexion', { map { $_ => $person->{$_} } qw(email password) });
    is why(over($c, $path, {}, $tag)), '412 version_changed', 'it has taken effect since';
    is subscriptions($person), 1, 'and is there';
    is $c->get($path)->status, 200, 'really';
    is over($c, '/mes-abonnements/99999/resiliation', {}, $tag)->status, 404,
        'what is not there is not there';
    is over($c, $path, {}, version($c, $path))->status, 200, 'over the right one';
    is $c->get($path)->status, 404, 'gone';
    is over($c, $path, {}, '*')->status, 404, 'and cannot be met';
}

# what has no version meets none; "any" is all the same
{
    my ($c) = person();
    is over($c, '/langue', { lang => 'en' }, '"x"')->status, 412, 'no version: 412';
    is $c->get('/mon-compte', headers => { 'Accept-Language' => 'en' })
        ->header('content-language') // '', '', 'nothing done';
    is over($c, '/langue', { lang => 'en' }, '*')->status, 200, 'any';
}

done_testing;
