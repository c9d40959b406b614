#!/usr/bin/perl

# Who sees what, and who may ask to change it: sql/visibility.tsv, group by group
# and viewer by viewer.  Each field of each group holds a value that is nowhere
# else; all that each viewer can have of the portal is read, and such a value is
# in it where the table says so, and nowhere in it where not: pages, JSON,
# receipts, forms, refusals, « Mes données », mails.

use strict;
use warnings;
use utf8;

use Portal::Declared qw(forms sections visibility);
use Portal::Test;

my $portal = portal();
$portal->psql('update portal.town set agent_readings = 1000000');
my $FAMILY = '104203';          # Thomas and Léa; Tom is theirs, Hugo is Sophie's too
my ($forms, $sections, $rule) = (forms(), sections(), visibility());


### the viewers

my %id = map { @$_ } $portal->psql("select case g.rank when 1 then 'thomas' else 'lea' end,
    g.id from portal.guardian g
    join portal.family f on f.id = g.family_id where f.number = '$FAMILY'
    union all select lower(c.first_name), c.id from portal.child c where tenant = 1
    and first_name in ('Tom', 'Hugo')");

sub connected {
    my ($guardian) = @_;

    my $account = new_account();
    $portal->psql("insert into portal.subscription (tenant, account_id, family_id, guardian_id,
        since, effective_at) select tenant, $account->{id}, family_id, id, now(), now()
        from portal.guardian where id = $guardian");

    return $account;
}

my %account = (self => connected($id{thomas}), same_family => connected($id{lea}),
    other_family => account(qr/separated/));
my $source = 0;
my %in = map {
    my $who = $_;
    my $h = client(source => '127.0.32.' . ++$source);
    die "$who is not let in\n" if sign_in($h, $account{$who})->status != 303;
    $who => { html => $h, json => json_of($h) };
} sort keys %account;
my $agent = agent_client();
$in{agent} = { html => $agent, json => json_of($agent) };

sub json_of {
    my ($c) = @_;

    my $j = client(json => 1, agents => $c->{agents}, source => $c->{source});
    $j->{cookies} = $c->{cookies};

    return $j;
}


### values that are nowhere else

my $serial = 0;

# of a field, in a round: what is sent, and a pattern that finds it in a text
# without spaces; nothing where a value cannot be told from others
sub canary {
    my ($round, $section, $field, $type) = @_;

    my $n = ++$serial;
    my $word = sprintf 'Canari%s%s', ucfirst $round, join '', map { chr 97 + $_ }
        map { int($n / 26 ** $_) % 26 } 2, 1, 0;
    my ($year, $month) = $field eq 'birth_date' ? $section =~ /child/ ? (2012, 3) : (1960, 4)
        : $field =~ /^(?:quotient_date|pai_start)$/ ? (2005, 5) : (2031, 6);
    my $day = sprintf '%d-%02d-%02d', $year + int($n / 28) % 12, $month, 1 + $n % 28;
    my ($y, $m, $d) = map { 0 + $_ } split /-/, $day;
    my $name = { 3 => 'mars|March', 4 => 'avril|April', 5 => 'mai|May', 6 => 'juin|June' }->{$m};
    my $mobile = sprintf '63998%04d', $n;
    my $land = sprintf '32011%04d', $n;
    my $tax = 3023217000 + $n;
    my $tax_number = sprintf '%010d%03d', $tax, $tax % 511;

    return ['' . (7000 + $n), sprintf '(?<!\d)%d(?!\d)', 7000 + $n]
        if $field eq 'street_number';
    return [$word, $word] if $type =~ /^(?:text|name|lines)$/ && $field ne 'locality';
    return [$day, qr/$day|\b0?$d(?:er)?(?:$name)$y|\b0?$d\/0?$m\/$y/] if $type eq 'date';
    return ['+33' . $mobile, $mobile] if $type eq 'phone' && $field !~ /home|work|doctor/;
    return ['+33' . $land, $land] if $type eq 'phone';
    return [lc("$word\@parents.example"), lc "$word\@"] if $type eq 'email';
    return ["591$n", "591$n"] if $type eq 'postcode' && $n < 100 && $n > 9;
    return [$tax_number, $tax_number] if $type eq 'tax_number';
    return [sprintf('26CAN%08d', $n), sprintf '26CAN%08d', $n] if $type eq 'tax_notice';
    return [7_391_000 + $n, sprintf '7391%03d|7,391,%03d', $n, $n] if $field eq 'reference_income';
    return [41_000 + $n, sprintf '41%03d|41,%03d', $n, $n] if $field eq 'quotient';
    return [sprintf('51739%02d', $n % 100), sprintf '51739%02d', $n % 100] if $type eq 'caf_number';
    return [$round eq 'a' ? 'FR1420041010050500013M02606' : 'DE89370400440532013000', undef]
        if $type eq 'iban';
    return [$round eq 'a' ? 'CANAFRPPXXX' : 'CANADEFFXXX', $round eq 'a' ? 'CANAFRPP' : 'CANADEFF']
        if $type eq 'bic';

    return;
}

# what the values of no pattern are; the rest stays as it is
my %other = (guardian_address => { postal_code => '59100', country => 'FR', repetition => 'ter' },
    guardian_bank => { mandate => 'yes' }, child_health => { pai => 'yes', vaccines => 'no' },
    child_contact => { link => 'friend', collect => 'no', emergency => 'yes' },
    guardian_basic => { link => 'father' }, guardian_tax => {}, child_general => {},
    child_authorisations => {});

# section => { fields => what is sent, of => group => { field => pattern } }
sub round_of {
    my ($round) = @_;
    my %round;

    for my $section (grep { $_ ne 'child_photo' } sort keys %$sections) {
        my $group = $sections->{$section}{group};

        for my $field (@{ $sections->{$section}{fields} }) {
            my $name = $field->{name};
            my $canary = canary($round, $section, $name, $forms->{$section}{fields}{$name}{type});
            next if $field->{policy} eq 'shown';
            $round{$section}{fields}{$name} = $other{$section}{$name} // $canary->[0] // next;
            next if !defined $canary || !defined $canary->[1] || exists $other{$section}{$name};

            # names are a group of their own
            my $of = $section eq 'guardian_basic' && $name =~ /^(?:last|first)_name$/
                ? 'guardian_name' : $group;
            next if $name eq 'birth_name';
            $round{$section}{of}{$of}{$name} = $canary->[1];
        }
        # their answers cannot be told from others: the words beside them can
        my $words = canary($round, $section, 'comment', 'lines');
        $round{$section}{fields}{comment} = $words->[0];
        $round{$section}{comment} = $words->[1];
    }

    return \%round;
}


### what a viewer can have

# all texts, without their spaces: what => text
sub all_of {
    my ($who, @more) = @_;

    my %text;
    my @left = ($who eq 'agent' ? ('/', '/?etat=done', '/?etat=incomplete', '/compte')
        : qw(/ /mon-espace /famille /famille/demandes /mes-abonnements /mon-compte
        /mes-donnees /mes-donnees.csv), @more);
    my %seen;

    while (my $path = shift @left) {
        next if $seen{$path}++ || keys %seen > 150;

        for my $as (qw(html json)) {
            my $r = $in{$who}{$as}->get($path);
            $text{"$as $path"} = plain($r->status . ' ' . $r->content);
            next if $as eq 'json' || $r->status != 200 || ($r->header('content-type') // '') !~ /html/;
            push @left, grep { m{^/(?!/|static/|langue|session|connexion)} }
                map { s/#.*//r } sort keys %{ $r->links };
        }
    }
    cmp_ok scalar(keys %seen), '>', $who eq 'agent' ? 5 : 30, "$who: pages were read";

    for my $mail (mails_of($who)) { $text{"mail $mail->[0]"} = plain($mail->[1], 1) }

    return \%text;
}

sub plain {
    my ($text, $decoded) = @_;

    $text = Encode::decode('UTF-8', $text) if !$decoded;
    $text =~ s/&(?:nbsp|#160);//g;
    # digits that are nobody's value: parts of a second, tokens and ids by chance
    $text =~ s/(?<=\d\d:\d\d:\d\d)\.\d+//g;
    $text =~ s/(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*\d)[\w-]{24,}(?![\w-])//ga;
    $text =~ s/[\s\x{a0}\x{202f}]+//g;

    return $text;
}

sub mails_of {
    my ($who) = @_;

    return if $who eq 'agent';
    wait_for(30, sub { !$portal->psql("select count(*) from portal.outbox
        where state in ('queued', 'sending')") });

    return map { ["$_->{subject}", join ' ', $_->{subject}, $_->{text} // '', $_->{html} // ''] }
        mails(to => $account{$who}{email}, wait => 0);
}

# the places where a value is
sub found {
    my ($text, $pattern) = @_;

    return grep { $text->{$_} =~ $pattern } sort keys %$text;
}


### asking and deciding

my %path = map { $_ => ($_ eq 'child_contact' ? "/famille/enfants/$id{tom}/contacts/nouveau"
    : (/^guardian/ ? "/famille/responsables/$id{thomas}/" : "/famille/enfants/$id{tom}/")
        . $sections->{$_}{path}) } keys %$sections;

# as Thomas: section => id of the request
sub ask_all {
    my ($round) = @_;
    my %request;

    for my $section (sort keys %$round) {
        my $fields = $round->{$section}{fields};
        my $now = $in{self}{json}->get($path{$section})->json->{current};
        $fields->{image_press} = $now->{image_press} eq 'yes' ? 'no' : 'yes'
            if exists $now->{image_press};
        my $r = json_post($in{self}{json}, $path{$section}, $fields);
        ($request{$section}) = ($r->json->{location} // '') =~ m{/demandes/(\d+)};
        ok $request{$section}, "asked: $section" or diag $r->content;
    }

    return \%request;
}

sub decide {
    my ($id, $step, %more) = @_;

    my $j = $in{agent}{json};
    my $page = $j->get("/demandes/$id")->json;

    return $j->post("/demandes/$id", { csrf => $page->{csrf}, step => $step,
        version => $page->{version}, %more });
}

# each value is where the table says, and nowhere else
sub as_the_table_says {
    my ($round, $when, %shared) = @_;

    my %text = map { my $who = $_; $who => all_of($who, $who eq 'agent'
        ? map { "/demandes/$_->[0]" } $portal->psql('select id from portal.change_set where tenant = 1')
        : (values %path, "/famille/responsables/$id{thomas}", "/famille/enfants/$id{tom}",
            map { "/famille/demandes/$_->[0]" }
            $portal->psql('select id from portal.change_set where tenant = 1'))) } sort keys %in;

    for my $section (sort keys %$round) {
        for my $group (sort keys %{ $round->{$section}{of} }) {
            for my $viewer (sort keys %{ $rule->{$group} }) {
                my $see = $shared{"$group $viewer"} // $rule->{$group}{$viewer}{see};
                my $of = $round->{$section}{of}{$group};
                my @wrong = grep { !!found($text{$viewer}, $of->{$_}) ne !!$see } sort keys %$of;
                is "@wrong", '', "$when: $group " . ($see ? 'is seen' : 'is nowhere')
                    . " by $viewer" or diag join "\n", map { my $f = $_; "$f: " . join ', ',
                    (found($text{$viewer}, $of->{$f}))[0 .. 3] } grep { !$see } @wrong;
            }
        }
    }

    # never whole, whoever looks
    for my $who (sort keys %in) {
        is join(', ', found($text{$who}, qr/FR14 ?2004 ?1010|DE89 ?3704 ?0044/)), '',
            "$when: $who: no IBAN";
        is join(', ', found($text{$who}, qr/\$sealed|seal_id|password_hash/)), '',
            "$when: $who: nothing of the machinery";
        my %mail = map { $_ => $text{$who}{$_} } grep { /^mail/ } keys %{ $text{$who} };
        for my $section (sort keys %$round) {
            my @of = grep { !/^(?:guardian_name|child_contacts|child_general)$/ }
                keys %{ $round->{$section}{of} };
            is join(', ', map { found(\%mail, $_) } map { values %{ $round->{$section}{of}{$_} } } @of),
                '', "$when: no value of $section in a mail to $who";
        }
    }

    return \%text;
}

# what is asked for and not decided yet is its asker's and the agents'
sub nobody_else {
    my ($round, $text, $when) = @_;

    for my $section (sort keys %$round) {
        my %of = (comment => $round->{$section}{comment},
            map { %$_ } values %{ $round->{$section}{of} });
        for my $who (sort keys %in) {
            my $see = $who =~ /^(?:self|agent)$/ ? 1 : 0;
            my @wrong = grep { !!found($text->{$who}, $of{$_}) ne !!$see } sort keys %of;
            is "@wrong", '', "$when: $section " . ($see ? 'is seen' : 'is nowhere') . " by $who";
        }
    }
}

# an answer but for what each has of its own: tokens, keys, times, ids of pages
sub same_text {
    my ($text) = @_;

    return join "\n", map {
        my $of = $text->{$_};
        my $path = $_;
        $of =~ s/"(?:csrf|key|instance)":"[^"]*"//g;
        $of =~ s/name="(?:csrf|key)"value="[^"]*"//g;
        $of =~ s/<code>\w+<\/code>//g;
        $of =~ s/(?:id|for|aria-describedby)="[^"]*"//g if $path =~ /donnees/;
        "$path $of";
    } grep { !m{inscription|donnees|mon-compte|demandes/\d|mail|/session} } sort keys %$text;
}


### the file

my $a = round_of('a');
cmp_ok scalar(map { keys %$_ } map { values %{ $_->{of} } } values %$a), '>', 35,
    'values that are nowhere else';
for my $group (sort keys %$rule) {
    ok((grep { $_->{of}{$group} } values %$a) || $group =~ /^child_(?:authorisations|photo)$/,
        "$group has some");
}

my $asked = ask_all($a);
is decide($asked->{$_}, 'accept')->status, 200, "accepted: $_" for sort keys %$asked;
$path{child_contact} = "/famille/enfants/$id{tom}/contacts/" . $portal->psql("select max(id)
    from portal.contact where child_id = $id{tom}") . '/modifier';
my $before = as_the_table_says($a, 'the file');

# the file as the town's staff reads it has all of it, and each only where the
# table says so
{
    my $file = '/familles/' . $portal->psql("select id from portal.family where number = '$FAMILY' and tenant = 1");
    my $read = sub {
        my $c = $in{agent}{json};
        my $doc = $c->get($file);
        my @pages = map { $_->{tax_page} // $_->{health_page} // () } map { @$_ } @{ $doc->json }{qw(guardians children)};
        return { map { ($_ => plain($c->get($_)->content), "html $_" => plain($in{agent}{html}->get($_)->content)) }
            $file, @pages };
    };
    my $all = $read->();
    for my $group (grep { !/^child_(?:authorisations|photo)$/ } sort keys %$rule) {
        my %of = map { %{ $_->{of}{$group} // {} } } values %$a;
        # a page writes a period as one text, children and contacts are named in any case
        is join(' ', grep { my $f = $_; ($f =~ /^valid/ ? 1 : 2) > grep { my $as = $_; grep { $all->{$_} =~ $of{$f} } grep { /^html/ == $as } keys %$all } 0, 1 }
            sort keys %of), '', "the town's file: $group is seen";
        next if $group eq 'guardian_name';
        $portal->psql("update portal.visibility set see = false, ask = false where viewer = 'agent' and field_group = '$group'");
        my $less = $read->();
        is join(' ', grep { found($less, $of{$_}) }
            grep { $group !~ m{^child_} || !m{_name$} } sort keys %of), '', "the town's file: $group is nowhere without that";
        $portal->psql("update portal.visibility set see = true, ask = true where viewer = 'agent' and field_group = '$group'");
    }
}

# a contact of this household for a child of both, and the answers of a child
{
    my %of = map { $_->{code} => $_ } @{ $in{same_family}{json}->get("/famille/enfants/$id{tom}")
        ->json->{child}{authorisations} };
    ok %of, 'child_authorisations is seen by same_family';
    is $in{other_family}{json}->get("/famille/enfants/$id{tom}")->status, 404,
        'and not by other_family';
}


### what is asked

my $b = round_of('b');
$asked = ask_all($b);
my $then = as_the_table_says($a, 'the file, while changes are asked for');
nobody_else($b, $then, 'asked for');

# not even that there is something: neither a count nor a version has moved
for my $who (qw(same_family other_family)) {
    my ($was, $is) = map { same_text($_->{$who}) } $before, $then;
    my @diff = grep { defined } map { my ($x, $y) = ((split /\n/, $was)[$_], (split /\n/, $is)[$_]);
        ($x // '') ne ($y // '') ? substr($y // $x, 0, 60) : undef } 0 .. 200;
    is join("\n", @diff), '', "$who: no page has changed by what another asks for";
}

is decide($asked->{$_}, 'accept')->status, 200, "accepted: $_" for sort keys %$asked;
as_the_table_says($b, 'accepted');


### photos and documents

{
    my $photo = "/famille/enfants/$id{tom}/photo";
    my $thomas = $in{self}{json};
    my ($first) = send_file($thomas, $photo, {}, photo => grey(200))->json->{location} =~ /(\d+)/;
    is decide($first, 'accept')->status, 200, 'a photo is in the file';
    my ($request) = send_file($thomas, $photo, {}, photo => grey(90))->json->{location} =~ /(\d+)/;
    my ($with) = send_file($thomas, $path{guardian_address}, { complement => 'Escalier 9' },
        document => "%PDF-1.4\nCanari\n%%EOF\n")->json->{location} =~ /(\d+)/;

    for my $viewer (qw(self same_family other_family)) {
        my $j = $in{$viewer}{json};
        my $see = $rule->{child_photo}{$viewer}{see};
        is $j->get("$photo.jpg")->status, $see ? 200 : 404, "photo: $viewer";
        my $own = $viewer eq 'self' ? 200 : 404;
        is $j->get("/famille/demandes/$request/$_.jpg")->status, $own, "$_ of the request: $viewer"
            for qw(photo photo-avant);
        is $j->get("/famille/demandes/$with/justificatif-1")->status, $own, "the document: $viewer";
    }
    is $in{agent}{json}->get("/demandes/$_")->status, 200, "$_: an agent"
        for "$request/photo.jpg", "$request/photo-actuelle.jpg", "$with/justificatif-1";
}


### what a town hides

{
    $_->get('/famille') for map { $in{$_}{json} } qw(self same_family);
    $portal->psql("insert into portal.field_policy (tenant, section, field, policy)
        select 1, section, name, 'hidden' from portal.field");

    for my $who (qw(self same_family agent)) {
        my $text = all_of($who, $who eq 'agent' ? map { "/demandes/$_" } values %$asked
            : map { "/famille/demandes/$_" } values %$asked);
        # the law gives people what is held of them
        my %data = map { $_ => delete $text->{$_} } grep { /mes-donnees/ } keys %$text;
        delete $text->{$_} for grep { /^mail/ } keys %$text;

        for my $section (sort keys %$b) {
            for my $group (sort keys %{ $b->{$section}{of} }) {
                next if $who eq 'same_family' && !$rule->{$group}{same_family}{see}
                    || $group eq 'guardian_name' || $section eq 'child_contact' && $who eq 'agent';
                my %of = %{ $b->{$section}{of}{$group} };
                delete @of{qw(first_name last_name)};
                my @seen = grep { found($text, $of{$_}) } sort keys %of;
                is "@seen", $who eq 'agent' ? join ' ', sort keys %of : '',
                    "hidden: $section is " . ($who eq 'agent' ? 'seen' : 'nowhere') . " by $who"
                    or diag join ', ', map { found($text, $of{$_}) } @seen;
                is join(' ', grep { !found(\%data, $of{$_}) } sort keys %of), '',
                    "hidden: but $who has $section in « Mes données »" if $who ne 'agent';
            }
        }
    }

    my $tom = "/famille/enfants/$id{tom}";
    unlike $in{self}{html}->get($_)->content, qr/photo\.jpg/, "hidden: no photo in $_" for '/famille', $tom;
    like $in{self}{html}->get('/mes-donnees')->content, qr/photo\.jpg/, 'hidden: it is held';
    is $in{self}{json}->get("$tom/photo.jpg")->status, 200, 'and can be had there';
    is scalar($portal->psql('select portal.check_documents()')), 0, 'ready documents are right';

    $portal->psql('delete from portal.field_policy');
    as_the_table_says($b, 'shown again');
    like $in{self}{html}->get('/famille')->content, qr/photo\.jpg/, 'and so is the photo';
}


### what a town shares

$portal->psql("update portal.town set shared_groups = '{guardian_tax}' where id = 1");
as_the_table_says($b, 'a town that shares tax', 'guardian_tax same_family' => 1);


### who may ask

# whoever has no parental authority answers no authorisation: t/authorisation-authors.t
$portal->psql("update portal.guardian set authority = null where tenant = 1 and not authority");

for my $section (sort keys %$sections) {
    my $group = $sections->{$section}{group};

    for my $viewer (qw(self same_family other_family)) {
        my $ask = $rule->{$group}{$viewer}{ask};
        my $j = $in{$viewer}{json};
        my $csrf = $j->get('/session')->json->{csrf};

        is $j->get($path{$section})->status, $ask ? 200 : 404,
            "$section: the form, $viewer: " . ($ask ? 'yes' : 'no');
        is $j->post($path{$section}, { csrf => $csrf }, headers => { 'If-Match' => '"0"' })->status,
            $ask ? 412 : 404, "$section: asking, $viewer: " . ($ask ? 'yes' : 'no');
    }
    ok $rule->{$group}{agent}{ask}, "$section: agents decide, as they just did";
}



### an account that is another guardian's from now on

{
    my @of = map { $account{$_}{id} } qw(self same_family);
    $portal->psql("update portal.subscription set ended_at = now()
            where account_id in ($of[0], $of[1]) and ended_at is null;
        insert into portal.subscription (tenant, account_id, family_id, guardian_id, since,
        effective_at) select tenant, $of[0], family_id, id, now(), now()
        from portal.guardian where id = $id{lea};
        update portal.town set shared_groups = '{}' where id = 1");
    my $h = client(source => '127.0.32.9');
    sign_in($h, $account{self});
    my $j = json_of($h);
    my %tax = %{ $b->{guardian_tax}{of}{guardian_tax} };
    my %seen = map { $_ => plain($j->get($_)->content) } '/famille', '/mes-donnees',
        "/famille/responsables/$id{thomas}", $path{guardian_tax};

    is join(', ', map { found(\%seen, $_) } values %tax), '', 'nothing is left of what was its own'
        or diag map { my $v = $_; map { /(.{0,80}$v.{0,20})/ ? "$1\n" : () } values %seen } values %tax;
    my ($lea) = grep { $_->{id} == $id{lea} } @{ $j->get('/famille')->json->{guardians} };
    ok $lea->{self} && $lea->{tax_visible}, 'but what is now';
    is $j->get($path{guardian_tax})->status, 404, 'nor may it ask';
    is $in{same_family}{json}->get('/famille')->status, 403, 'who is nobody\'s has no family';
}

done_testing;
