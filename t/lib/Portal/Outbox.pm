package Portal::Outbox;

# What the tests of mail share: rows of the outbox, what has come to the server,
# and another server to send through.

use strict;
use warnings;
use utf8;

use Exporter qw(import);

use Portal::Fault qw(log_lines);
use Portal::Mail;
use Portal::Place qw(slurp spew wait_for);
use Portal::Test;

our @EXPORT = qw(queue_mail address row becomes due received attempts mail_by
    kept pages_go_on);

my $N = 0;


# a mail put into the outbox as a function does it: its row's id
sub queue_mail {
    my ($to, %o) = @_;

    my $data = $o{data} // '{}';
    my $template = $o{template} // 'account_exists';
    my $expires = $o{expires} // 'null';
    my $tried = $o{attempts} // 0;

    return scalar portal()->psql("insert into portal.outbox (tenant, recipient,
        template, data, expires, attempts, tries, message_id) select id, '$to',
        '$template', '$data'::jsonb, $expires, $tried, $tried, gen_random_uuid() || '\@saint-aubin.example'
        from portal.town where slug = 'saint-aubin' returning id");
}

sub address { return sprintf 'mail.%d@exemple.fr', ++$N }

sub row {
    my ($id) = @_;

    my ($row) = portal()->psql("select state, attempts, coalesce(detail, ''),
        message_id, token_sealed is null, next_try > now()
        from portal.outbox where id = '$id'");
    my %row;
    @row{qw(state attempts detail message_id erased later)} = @$row;

    return \%row;
}

# so many seconds are a lot: what is waited for comes at once, or never
sub becomes {
    my ($id, $state, $what, %o) = @_;

    my $row;
    wait_for($o{seconds} // 40, sub {
        $row = row($id);
        $row->{state} eq $state && $row->{attempts} >= ($o{attempts} // 0)
            && (!defined $o{detail} || $row->{detail} =~ $o{detail});
    });

    return ok($row->{state} eq $state && $row->{attempts} >= ($o{attempts} // 0)
        && (!defined $o{detail} || $row->{detail} =~ $o{detail}), $what)
        || diag join ' ', map { "$_=$row->{$_}" } sort keys %$row;
}

# the minutes until the next try are over
sub due {
    portal()->psql("update portal.outbox set next_try = now() where state = 'queued'");
}

sub received { return grep { index($_->{to}, $_[0]) >= 0 } Portal::Mail->all(portal()->mail_dir) }

# the Message-IDs of what has come as far as its text, kept or not
sub attempts { return map { /<(.*)>/ } split /^/, slurp(portal()->dir . '/smtp/attempts') // '' }

# by another portal_mail, by none (undef), or as usual
sub mail_by {
    my @value = @_;

    my $portal = portal();
    my $nginx = $portal->nginx;
    local $portal->{directives} = { @value ? (portal_mail => @value) : () };
    spew($nginx->dir . '/conf/nginx.conf', $nginx->conf, 0600);
    my %old = map { $_ => 1 } $nginx->workers;
    $portal->reload;
    # those take no mail any more
    wait_for(30, sub { !grep { $old{$_}
        && (slurp("/proc/$_/cmdline") // '') !~ /shutting down/ } $nginx->workers })
        or die "old workers go on\n";
}

# by another portal_mail the mail stays, nothing of it comes to the server, one
# line of the log says why: (id, address)
sub kept {
    my ($what, $value, $detail, $why) = @_;

    my $to = address();
    my $before = join ' ', attempts();
    my $lines = log_lines($why);
    mail_by($value // ());
    my $id = queue_mail($to);
    becomes($id, 'queued', "$what: it waits", attempts => 1, detail => $detail);
    is join(' ', attempts()), $before, "$what: nothing was sent";
    is log_lines($why) - $lines, 1, "$what: said once";
    due();
    becomes($id, 'queued', "$what: tried again", attempts => 2, detail => $detail);
    is log_lines($why) - $lines, 1, "$what: still once";

    return ($id, $to);
}

# pages of both workers, while the mail is still on its way
sub pages_go_on {
    my ($id, $what) = @_;

    my @pages = map { client()->get($_) } ('/', '/connexion', '/aide') x 10;
    my $state = row($id)->{state};

    is scalar(grep { $_->status != 200 } @pages), 0, "$what: pages are served";
    is $state, 'sending', "$what: while the mail waits";
}


1;
