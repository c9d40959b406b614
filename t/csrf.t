#!/usr/bin/perl

# Requests that another site may have sent: where they come from, the token,
# and that nothing changes by GET.

use strict;
use warnings;
use utf8;

use Portal::Test;

my $portal = portal();
my $url = $portal->url;
my $port = $portal->port;
my $camille = account(qr/couple/);

my $c = client(source => '127.0.3.1');
my $page = $c->get('/connexion');
my %form = @{ $page->form->{fields} };
my $n = 0;

# a log-in that fails (422) where the request is let through
sub post {
    my ($headers, %change) = @_;

    $portal->psql('delete from portal.attempt') if ++$n % 50 == 0;

    return $c->post('/connexion', { %form, email => "csrf$n\@exemple.fr",
        password => 'wrong wrong wrong', %change }, headers => $headers);
}

# a log-in from another device is told by mail
my @tables = qw(account token session subscription code idempotency captcha_used);
my $rows = counted(@tables);


### T070: Sec-Fetch-Site

for (['same-origin', 422], ['same-origin', 422, 'null'],
    ['cross-site', 403], ['same-site', 403], ['none', 403], ['SAME-ORIGIN', 403],
    ['same-originx', 403], ['same-origin, cross-site', 403],
    ['cross-site', 403, $url], ['same-site', 403, $url], ['none', 403, $url])
{
    my ($site, $status, $origin) = @$_;
    is post({ 'Sec-Fetch-Site' => $site, Origin => $origin // '' })->status, $status,
        "T070 Sec-Fetch-Site: $site" . ($origin ? ", Origin: $origin" : '');
}


### T071: Origin, where Sec-Fetch-Site is not there

my %origins = (
    $url => 422, uc $url => 422,
    '' => 403, 'null' => 403, 'http://localhost' => 403,
    "https://localhost:$port" => 403, "$url.evil.example" => 403,
    "http://localhost:$port\@evil.example" => 403, "$url/" => 403,
    'http://localhost:' . ($port + 1) => 403, "http://evil.example:$port" => 403,
    $portal->url('beaulieu') => 403, "http://127.0.0.1:$port" => 403,
    "$url $url" => 403, 'http://xlocalhost:' . $port => 403,
);
for my $origin (sort keys %origins) {
    is post({ 'Sec-Fetch-Site' => '', Origin => $origin })->status,
        $origins{$origin}, "T071 Origin: $origin";
}
is post({ 'Sec-Fetch-Site' => '', Origin => '', Referer => "$url/connexion" })->status,
    403, 'T071 Referer proves nothing';


### what is said is true of each cause

{
    my $plain = sub { $_[0]->text =~ s/[\x{a0}\x{202f}]/ /gr };
    my $signed = qr/vous vous êtes connecté ou déconnecté/;
    my %says = (
        'another site\'s page' => [{ 'Sec-Fetch-Site' => 'cross-site' }, 'other_site',
            qr/pas été envoyé depuis une page de ce portail/],
        'another Origin' => [{ 'Sec-Fetch-Site' => '', Origin => 'http://evil.example' },
            'other_site', qr/pas été envoyé depuis une page de ce portail/],
        'no header at all' => [{ 'Sec-Fetch-Site' => '', Origin => '' }, 'origin_missing',
            qr/n’a pas dit de quelle page vient ce formulaire/]);

    for my $cause (sort keys %says) {
        my ($headers, $code, $words) = @{ $says{$cause} };
        my $r = post($headers);
        is $r->status, 403, "$cause: refused";
        like $plain->($r), qr/Formulaire non envoyé.*$words/, "$cause: and told why";
        unlike $plain->($r), $signed, "$cause: not what is not so";
        $r = post({ %$headers, Accept => 'application/json' });
        is $r->json->{code}, $code, "$cause: JSON";
    }

    my $r = post({}, csrf => 'A' x 86);
    like $plain->($r), $signed, 'a token of before';
    is post({ Accept => 'application/json' }, csrf => 'A' x 86)->json->{code}, 'csrf',
        'a token of before: JSON';
}


### neither: JSON with the token in a header

{
    my $j = client(json => 1, source => '127.0.3.2');
    my $csrf = $j->get('/connexion')->json->{csrf};
    my %none = ('Sec-Fetch-Site' => '', Origin => '');
    my $body = { email => 'json@exemple.fr', password => 'wrong wrong wrong' };

    is $j->post('/connexion', $body, headers => { %none, 'X-CSRF-Token' => $csrf })
        ->status, 422, 'T070 JSON with X-CSRF-Token';
    my $r = $j->post('/connexion', { %$body, csrf => $csrf }, headers => \%none);
    is $r->status, 403, 'T070 JSON with the token in its body only';
    is $r->json->{code}, 'origin_missing', 'told why';
    is $r->header('content-type'), 'application/problem+json', 'as a problem';
    is $j->post('/connexion', $body, headers => { %none,
        'X-CSRF-Token' => 'A' x length $csrf })->status, 403, 'a token that is none';
    is $j->post('/connexion', $body, headers => { 'X-CSRF-Token' => '' })->status,
        403, 'no token at all';
    is $j->post('/connexion', $body, headers => { %none, 'X-CSRF-Token' => $csrf,
        Origin => 'http://evil.example' })->status, 403, 'and another site\'s Origin';
    is $j->post('/connexion', "csrf=$csrf&email=a\@b.example&password=wrong",
        headers => { %none, 'X-CSRF-Token' => $csrf,
            'Content-Type' => 'application/x-www-form-urlencoded' })->status, 403,
        'a form without Sec-Fetch-Site and Origin, even with the header';
    is $j->post('/connexion', '{"email":"a@b.example","password":"wrong"}',
        headers => { 'X-CSRF-Token' => $csrf, 'Content-Type' => 'text/plain' })
        ->status, 415, 'JSON sent as text';
}


### the token

{
    my $other = client();
    my %theirs = @{ $other->get('/connexion')->form->{fields} };
    my $there = client(town => 'beaulieu');
    my %town = @{ $there->get('/connexion')->form->{fields} };
    my $token = $form{csrf};

    isnt +{ @{ $c->get('/connexion')->form->{fields} } }->{csrf}, $token,
        'masked anew in each page';
    is post({})->status, 422, 'the token of an earlier page holds';
    for (['missing', undef], ['empty', ''], ['cut', substr $token, 0, 40],
        ['longer', "${token}A"], ['zeroes', 'A' x length $token],
        ['not base64', '!' x length $token], ['another visitor\'s', $theirs{csrf}],
        ['another town\'s', $town{csrf}], ['first character changed',
            ($token =~ /^A/ ? 'B' : 'A') . substr $token, 1], ['10 kB', 'A' x 10_000])
    {
        my ($what, $value) = @$_;
        my %f = %form;
        if (defined $value) { $f{csrf} = $value } else { delete $f{csrf} }
        my $r = $c->post('/connexion', { %f, email => 'token@exemple.fr',
            password => 'wrong wrong wrong' });
        is $r->status, 403, "token $what";
    }
    my $r = $c->post("/connexion?csrf=$token", { email => 'a@b.example',
        password => 'wrong wrong' });
    is $r->status, 403, 'token in the address';
    like $r->text, qr/Formulaire non envoyé.*navigateur refuse les cookies/s,
        'said in words';

    my $naked = client();
    is $naked->post('/connexion', { %form, email => 'a@b.example',
        password => 'wrong wrong' })->status, 403, 'without the visitor\'s cookie';
    is $c->post('/connexion', { email => 'header@exemple.fr',
        password => 'wrong wrong' }, headers => { 'X-CSRF-Token' => $token })->status,
        422, 'token in a header';
}

# of sessions
{
    my $a = client(source => '127.0.3.3');
    my $b = client(source => '127.0.3.3');
    my %before = @{ $a->get('/connexion')->form->{fields} };
    sign_in($a, $camille);
    sign_in($b, $camille);
    my %fa = @{ $a->get('/mon-espace')->form('/deconnexion')->{fields} };
    my %fb = @{ $b->get('/mon-espace')->form('/deconnexion')->{fields} };

    is $a->post('/deconnexion', { csrf => $before{csrf} })->status, 403,
        'the token from before the log-in';
    is $a->post('/deconnexion', { csrf => $fb{csrf} })->status, 403,
        'another session\'s token, of the same account';
    is $a->get('/mon-espace')->status, 200, 'nobody is logged out by it';
    is $a->post('/deconnexion', { csrf => $fa{csrf} },
        headers => { 'Sec-Fetch-Site' => 'cross-site' })->status, 403,
        'T074 log-out from another site';
    is $a->get('/mon-espace')->status, 200, 'T074 does not log out';
    is $a->post('/deconnexion', \%fa)->status, 303, 'the session\'s own token';
}


### T073: nothing changes by GET, T170: methods

{
    my $in = client(source => '127.0.3.4');
    sign_in($in, $camille);
    my $id = $portal->psql("select id from portal.subscription where account_id =
        (select id from portal.account where email = '$camille->{email}')
        and ended_at is null");
    my $free = free_code()->{code};
    my $before = counted(qw(account token session subscription outbox code attempt
        audit));

    for my $path ('/inscription', '/inscription/renvoi', '/inscription/confirmation',
        '/connexion', '/deconnexion', '/mes-abonnements/nouveau', '/famille/choix',
        "/mes-abonnements/$id/resiliation")
    {
        my $query = "csrf=$form{csrf}&email=$camille->{email}&password=x&step=add"
            . "&code=$free&family=1";
        for my $method ('GET', 'HEAD') {
            for my $more ('', "?$query", "?_method=POST&$query") {
                my $r = $in->request($method, "$path$more", headers =>
                    { 'X-HTTP-Method-Override' => 'POST', 'X-HTTP-Method' => 'DELETE' });
                like $r->status, $path =~ /deconnexion|choix/ ? qr/405/
                    : $path eq '/connexion' ? qr/303/ : qr/200/,
                    "T073 $method $path" . substr $more, 0, 9;
            }
        }
        for my $method (qw(PUT PATCH DELETE OPTIONS PROPFIND FOO)) {
            my $r = $in->request($method, $path, headers =>
                { 'Sec-Fetch-Site' => 'same-origin', Origin => $url });
            is $r->status, 405, "T170 $method $path";
            like $r->header('allow') // '', qr/\bPOST$/, 'T170 Allow';
        }
    }
    is counted(qw(account token session subscription outbox code attempt audit)),
        $before, 'T073 the database is as it was';
    is $in->get('/mon-espace')->status, 200, 'T073 and the session lives';
}


### T074: each form, as another site or another page of the town would send it

{
    my $in = client(source => '127.0.3.5');
    sign_in($in, account(qr/two families/));
    my $id = $portal->psql("select id from portal.subscription where ended_at is null
        order by id desc limit 1");
    my @tables = qw(account token session subscription outbox code attempt audit
        captcha_used idempotency);
    my $before = counted(@tables);

    for my $path ('/inscription', '/inscription/renvoi', '/inscription/confirmation',
        '/connexion', '/deconnexion', '/mes-abonnements/nouveau', '/famille/choix',
        "/mes-abonnements/$id/resiliation")
    {
        for my $who ($in, client(source => '127.0.3.6')) {
            my $page = $who->get($who == $in ? '/mon-espace' : '/connexion');
            my ($token) = $page->content =~ /name="csrf" value="([^"]+)"/;
            my %body = (csrf => $token, email => 'x@exemple.fr', password => 'x');

            for my $headers ({ 'Sec-Fetch-Site' => 'cross-site' },
                { 'Sec-Fetch-Site' => 'same-site',
                    Origin => $portal->url('beaulieu') },
                { 'Sec-Fetch-Site' => '', Origin => 'http://evil.example' },
                { 'Sec-Fetch-Site' => '', Origin => '' })
            {
                my $r = $who->post($path, \%body, headers => $headers);
                is $r->status, $r->header('location') ? 303 : 403,
                    "T074 $path " . join ' ', %$headers;
                like $r->header('location') // '/connexion', qr{^/connexion},
                    'T074 or to the log-in, with nothing done';
            }
            my $r = $who->post($path, { %body, csrf => '' });
            # of a log-out without a session there is nothing to protect
            like $r->status, $path eq '/deconnexion' && $who != $in ? qr/^(?:303|422)$/
                : qr/^(?:303|403)$/, "T074 $path without the token";
        }
    }
    is counted(@tables), $before, 'T074 nothing was done by any of them';
    is $in->get('/mon-espace')->status, 200, 'T074 and the session lives';
}


### T076, T077

{
    my $multi = "--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n"
        . "$form{csrf}\r\n--b--\r\n";
    is $c->post('/connexion', $multi, headers =>
        { 'Content-Type' => 'multipart/form-data; boundary=b' })->status, 415,
        'T076 multipart is no form of ours';
    is $c->post('/connexion', $multi, headers => { 'Sec-Fetch-Site' => 'cross-site',
        'Content-Type' => 'multipart/form-data; boundary=b' })->status, 403,
        'T076 from another site refused before it is read';
    my $open = $c->socket;
    print $open "POST /connexion HTTP/1.1\r\nHost: $c->{host}\r\nSec-Fetch-Site: "
        . "cross-site\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        . "Content-Length: 60000\r\nConnection: close\r\n\r\n";
    like scalar(<$open>), qr/ 403 /, 'T130 answered before any body has come';

    for (['GET', '/'], ['GET', '/connexion'], ['POST', '/connexion'],
        ['OPTIONS', '/connexion'], ['GET', '/nowhere'])
    {
        my ($method, $path) = @$_;
        my $r = $c->request($method, $path, headers => { Origin => 'http://evil.example',
            'Access-Control-Request-Method' => 'POST' });
        is scalar(grep { $_->[0] =~ /^access-control/ } @{ $r->{list} }), 0,
            "T077 $method $path: no Access-Control";
    }
}

is counted(@tables), $rows =~ s/session \d+/'session ' . $portal->psql(
    'select count(*) from portal.session')/er, 'nothing was stored by what was refused';

done_testing;
