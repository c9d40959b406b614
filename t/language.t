#!/usr/bin/perl

# Which language a person gets: the account's, else what was chosen in this
# browser, else what the browser wishes, else the town's first; and choosing.

use strict;
use warnings;
use utf8;

use Portal::Test;
use Time::HiRes qw(sleep time);

my $portal = portal();
my $c = client();

# the captcha wants three seconds between page and post
my $english = client();
my $form = $english->get('/inscription', wish('en'));

sub said {
    my ($page) = @_;

    my ($lang) = $page->content =~ /<html lang="(\w+)">/;

    return join ' ', $lang // '-', $page->header('content-language') // '-';
}

sub wish { return headers => { 'Accept-Language' => $_[0] } }


### what the browser wishes

my $page = $c->get('/connexion');
is said($page), 'fr fr', 'nothing wished: the first language';
is $page->header('vary'), 'Accept, Accept-Language, Cookie',
    'what an answer depends on';

for ([ 'en-GB,en;q=0.9', 'en' ], [ 'fr;q=0.3, en;q=0.7', 'en' ],
    [ 'de, en;q=0.1', 'en' ], [ 'de', 'fr' ], [ 'en;q=0', 'fr' ],
    [ 'fr;q=0, *;q=0.1', 'en' ], [ 'en;q=7', 'fr' ], [ 'en, fr', 'en' ],
    [ 'x' x 4000 . ', en', 'en' ], [ join(',', ('de') x 32, 'en'), 'fr' ])
{
    my ($wish, $lang) = @$_;
    is said($c->get('/connexion', wish($wish))), "$lang $lang",
        substr $wish, 0, 40;
}

$page = $c->get('/connexion', wish('en'));
like $page->title, qr/^Sign in – Saint-Aubin-les-Prés Family space/, 'English';
like $page->text, qr/Citizen portal.*Forgotten your password\?/,
    'with the town\'s words in it';
like $page->text, qr/Monday to Friday, 8\.30am to 5pm/, 'and its hours';
unlike $page->text, qr/Portail|Enfance/, 'and no French';

for (404, 405) {
    my $error = $_ == 404 ? $c->get('/nulle-part', wish('en'))
        : $c->post('/aide', {}, wish('en'));
    is $error->status, $_, "an error: $_";
    is said($error), 'en en', 'an error page';
    like $error->text, qr/Page not found|Not possible here/, 'in English';
}

my $j = client(json => 1);
$page = $j->get('/nulle-part', wish('en'));
is $page->json->{title}, 'Page not found', 'a problem document too';
is $page->header('content-language'), 'en', 'and it says so';
$page = $j->get('/connexion', wish('en'));
is $page->header('content-language'), undef, 'a document is in no language';
$page = json_post($j, '/connexion', { email => 'x' }, wish('en'));
is $page->json->{errors}[0]{message},
    'Enter an email address like name@example.com.', 'an error\'s message';


### choosing, when nobody is signed in

my $who = client();
$page = $who->get('/aide?q=1');
is $who->cookie('__Host-visit'), undef, 'no cookie for the switch';
my ($switch) = grep { $_->{action} eq '/langue' } $page->forms;
is_deeply $switch, { action => '/langue', method => 'post',
    fields => [ path => '/aide?q=1' ], buttons => [['lang', 'en']] },
    'the switch is a form, without a token';
like $page->content, qr{<button [^>]*lang="en"[^>]*>English</button>},
    'in the language that it leads to';

$page = $who->get('/langue?lang=en&path=%2Faide%3Fq%3D1');
is said($page), 'fr fr', 'asking for the page changes nothing';
is $who->cookie('__Host-lang'), undef, 'and keeps nothing';
is_deeply [grep { !/Afficher/ } buttons($page)],
    ['English', 'Français (affichée)', 'English'], 'it offers both';

my $chosen = $who->submit($page, { lang => 'en' }, form => '/langue#');
is $chosen->status, 303, 'chosen' or diag $chosen->text;
is $chosen->location, '/aide?q=1', 'back to where it came from';
like join("\n", $chosen->headers('set-cookie')),
    qr{^__Host-lang=en\.\d{10}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=\d+$}m,
    'and kept';
is said($who->get('/aide', wish('fr'))), 'en en',
    'what was chosen goes before what is wished';

# one press, from a page that has no form of its own
for (['/aide?q=1', '/aide?q=1'], ['/nulle-part', '/']) {
    my ($path, $back) = @$_;
    my $one = client();
    $chosen = $one->submit($one->get($path), { lang => 'en' }, form => '/langue');
    is $chosen->status . ' ' . ($chosen->location // ''), "303 $back", "$path: one press is enough"
        or diag $chosen->text;
    is $one->cookie('__Host-visit'), undef, 'and no cookie but the one for the language';
    is said($one->follow($chosen)), 'en en', 'in English';
}

for (['//evil.example/'], ['https://evil.example/'], ["/\\evil.example"],
    ['/a b'], ['/' . 'a' x 600])
{
    $page = $who->get('/langue');
    is $who->submit($page, { lang => 'fr', path => $_->[0] },
        form => '/langue#')->location, '/', "not to $_->[0]";
}

$page = $who->submit($who->get('/langue'), { lang => 'de' }, form => '/langue#');
is $page->status, 422, 'a language that is not offered';
like $page->text, qr/Choisissez une langue de la liste/, 'is told so';
is $who->submit($who->get('/langue'), { lang => '' }, form => '/langue#')
    ->status, 422, 'so is none';
for my $headers ({ 'Sec-Fetch-Site' => 'cross-site' }, { 'Sec-Fetch-Site' => '', Origin => 'https://evil.example' },
    { 'Sec-Fetch-Site' => '', Origin => '' })
{
    my $victim = client();
    is $victim->post('/langue', { lang => 'en' }, headers => $headers)->status, 403,
        'T070 not from another site, token or none';
    is $victim->cookie('__Host-lang'), undef, 'nor kept';
}

for my $cookie ('en; __Host-lang=fr', 'xx', 'EN', '', 'en' x 2000, 'en.', 'en.x', 'en.-1',
    'en.1.2', '.1', 'en.' . '9' x 30)
{
    is said($c->get('/aide', headers => { Cookie => "__Host-lang=$cookie" })),
        'fr fr', 'no cookie of ours: ' . substr $cookie, 0, 20;
}

# on a page that has a form, and so a token, one press is enough
$page = $who->get('/connexion?suite=%2Ffamille');
($switch) = grep { $_->{action} eq '/langue' } $page->forms;
is $switch->{method}, 'post', 'beside a form the switch is a form';
$chosen = $who->submit($page, { lang => 'en' }, form => '/langue');
is $chosen->location, '/connexion?suite=%2Ffamille', 'and leads back to it';
is said($who->follow($chosen)), 'en en', 'in English';


### signed in

my ($parent, $person) = parent(town => 'saint-aubin');
is $portal->psql("select lang from portal.account where email
    = '$person->{email}'"), 'fr', 'who signed up in French';
is said($parent->get('/famille', wish('en'))), 'fr fr',
    'the account goes before the browser';

is $parent->post('/langue', { lang => 'en' })->status, 403, 'with a session not without its token';
my $before = $parent->cookie('__Host-portal');
$page = $parent->get('/famille');
$chosen = $parent->submit($page, { lang => 'en' }, form => '/langue');
is $chosen->status, 303, 'one press' or diag $chosen->text;
is $chosen->location, '/famille', 'back to the file';
is $parent->cookie('__Host-portal'), $before, 'the session stays: no right has changed';
$page = $parent->get('/famille');
is said($page), 'en en', 'in English';
like $page->text, qr/Family file.*Guardians.*Mobile phone.*Children/,
    'the family file';
like $page->text, qr/Date of birth \d+ [A-Z][a-z]+ 20\d\d/, 'dates in words';
unlike $page->text, qr/ \d+ [a-zéû]+ 20\d\d/, 'English ones';
is $portal->psql("select lang from portal.account where email
    = '$person->{email}'"), 'en', 'the account keeps it';

is said($parent->get('/famille/enfants/98765', wish('fr'))), 'en en',
    'an error page too';

my $program = client(json => 1);
$program->cookie($_, $parent->cookie($_)) for '__Host-portal';
ok wait_for(5, sub { ($page = json_post($program, '/langue', { lang => 'xx' }))->json
    ->{errors}[0]{message} =~ /Choose/ }), 'the session has it too: without its cookie';
is $page->status, 422, 'as JSON: not offered';
is $page->json->{errors}[0]{message},
    'Choose a language from the list, for example English.', 'in words';
$page = json_post($program, '/langue', { lang => 'en', path => '/famille' });
is $page->json->{location}, '/famille', 'as JSON: where to go on';
is $page->json->{language}, 'en', 'and what was chosen';
ok !exists $page->json->{session}, 'nothing of the session';

my $other = client();
sign_in($other, $person);
is said($other->get('/mon-espace', wish('fr'))), 'en en',
    'and has it in another browser';

# what was chosen here before the log-in gives way to the account, after it not
for (['fr', 'en'], ['fr.' . int(time - 1000), 'en'],
    ['fr.' . int(time + 1000), 'fr'], ['xx', 'en']) {
    my ($cookie, $lang) = @$_;
    $other->cookie('__Host-lang', $cookie);
    is said($other->get('/mon-espace', wish('fr'))), "$lang $lang", "chosen: $cookie";
}
$other->cookie('__Host-lang', undef);

# the session holds the language itself, whatever its place in the configuration
my $french = client();
sign_in($french, account(qr/couple/));
is said($french->get('/mon-espace', wish('en'))), 'fr fr', 'a French account';
for my $order ('en fr', 'fr en') {
    $portal->{directives} = { portal_languages => top() . "/src/lang $order" };
    Portal::Place::spew($portal->nginx->{dir} . '/conf/nginx.conf', $portal->nginx->conf, 0600);
    $portal->reload;
    ok wait_for(20, sub { $portal->nginx->workers == 2 }), "languages: $order";
    is said($other->get('/mon-espace', wish('fr'))), 'en en', 'an English session stays so'
        for 1 .. 4;
    is said($french->get('/mon-espace', wish('en'))), 'fr fr', 'a French one, too'
        for 1 .. 4;
}

$parent->submit($parent->get('/mon-espace'), {}, form => '/deconnexion');
is said($parent->get('/', wish('fr'))), 'en en',
    'signed out, this browser still has it';
is said($other->submit($other->get('/mon-espace'), {}, form => '/deconnexion')),
    '- -', 'signed out there';
is said($other->get('/')), 'fr fr', 'the other browser has not';


### mails

like $form->text, qr/What is \w+ plus \w+\?/, 'the question in English';
my %answer = written_answer($form);
ok $answer{captcha_answer}, 'the town knows its answer';
my ($new) = do {
    my %p = (last_name => 'Ellis', first_name => 'Iris',
        email => "iris.$$\@parents.example",
        password => 'coquelicot vélo 72 orage');
    my $early = 3.2 - (time - $form->{time});
    sleep $early if $early > 0;
    $page = $english->submit($form, { %p, %answer }, wish('en'));
    is $page->status, 303, 'signed up in English' or diag $page->text;
    \%p;
};

my $mail = mail_to($new->{email});
is $mail->{subject}, 'Confirm your email address – Saint-Aubin-les-Prés',
    'the mail in English';
like $mail->{text}, qr/the Citizen portal of Saint-Aubin-les-Prés/,
    'with the portal\'s English name';
like $mail->{text}, qr/This link works for 24 hours and only once\./, 'its text';
like $mail->{html}, qr/<html lang="en">/, 'its HTML';
like $mail->{headers}{from}, qr/Citizen[ _]portal/, 'and whom it is from'
    or diag explain $mail->{headers};
confirm($english, $new);
is said($english->get('/mon-espace', wish('fr'))), 'en en',
    'the account is an English one';


### a town of one language

$portal->psql("update portal.town set languages = '{fr}'
    where slug = 'beaulieu'");
my $b = client(town => 'beaulieu');
ok everywhere(sub { $b->get('/inscription/confirmation?jeton=x', wish('en'), @_) },
    sub { said($_[0]) eq 'fr fr' && $_[0]->content !~ m{/langue} }, 30),
    'where only French is offered, English is not';
is said($b->get('/inscription/confirmation?jeton=x',
    headers => { Cookie => '__Host-lang=en' })), 'fr fr', 'nor by a cookie';
$page = $b->get('/langue');
is_deeply [grep { !/Afficher/ } buttons($page)], ['Français (affichée)'],
    'nor on the page' or diag join ', ', buttons($page);

done_testing;
